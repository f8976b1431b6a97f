// Reads arrays with zarrita.js, so that the tests can compare what another implementation sees.
//
//   node read.mjs STORE [ARRAY...]
//
// STORE is a folder, ARRAY a path in it ("" for the root, also the default). For each array one line
// of JSON: {"shape": [...], "dtype": "...", "dimension_names": ..., "attributes": {...}, "data": [...]}.
// `data` is flat, in C order, whatever order the array is stored in. What JSON has no number for is a
// string that Python's int() or float() understands: 64-bit integers, NaN, Infinity, -Infinity, -0.

import FileSystemStore from "@zarrita/storage/fs";
import * as zarr from "zarrita";

function toJson(value) {
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (Object.is(value, -0)) return "-0";
  return value;
}

// BoolArray and the fixed-length string arrays have get(i); typed arrays and plain ones do not.
function at(data, i) {
  return toJson(typeof data.get === "function" ? data.get(i) : data[i]);
}

// A transposed array comes back in the order it is stored in, with strides to match.
function flatten({ data, shape, stride }) {
  const size = shape.reduce((product, length) => product * length, 1);
  const index = shape.map(() => 0);
  const flat = new Array(size);
  let offset = 0;
  for (let n = 0; n < size; n++) {
    flat[n] = at(data, offset);
    for (let d = shape.length - 1; d >= 0; d--) {
      offset += stride[d];
      if (++index[d] < shape[d]) break;
      offset -= stride[d] * shape[d];
      index[d] = 0;
    }
  }
  return flat;
}

async function read(store, path) {
  const location = new zarr.Location(store, `/${path}`);
  const array = await zarr.open(location, { kind: "array" });
  return {
    shape: array.shape,
    dtype: array.dtype,
    dimension_names: array.dimensionNames ?? null,
    attributes: array.attrs,
    data: await values(array),
  };
}

async function values(array) {
  if (array.shape.includes(0)) return []; // zarrita throws "Input contains an empty iterator"
  const result = await zarr.get(array);
  const isArray = typeof result === "object" && result !== null && "stride" in result;
  return isArray ? flatten(result) : [toJson(result)]; // a 0-dimensional array comes back as a scalar
}

const [root, ...paths] = process.argv.slice(2);
if (root === undefined) {
  console.error("usage: node read.mjs STORE [ARRAY...]");
  process.exit(2);
}
const store = new FileSystemStore(root);
for (const path of paths.length ? paths : [""]) {
  try {
    process.stdout.write(`${JSON.stringify(await read(store, path))}\n`);
  } catch (error) {
    const cause = error.cause ? ` (${error.cause.name}: ${error.cause.message})` : "";
    console.error(`/${path}: ${error.name}: ${error.message}${cause}`);
    process.exitCode = 1;
    break;
  }
}
