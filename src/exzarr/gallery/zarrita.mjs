// Read arrays with zarrita.js and print each as one line of JSON.
//
//   node --input-type=module -e "$(cat zarrita.mjs)" -- STORE ARRAY...     (in a folder that has zarrita)
//
// Numbers are printed as the bytes of zarrita's array, in base64, with their strides; all other values as a list.

import FileSystemStore from "@zarrita/storage/fs";
import * as zarr from "zarrita";

const [root, ...paths] = process.argv.slice(1).filter((argument) => argument !== "--");
const location = new zarr.Location(new FileSystemStore(root));
for (const path of paths) {
  let line;
  try {
    const array = await zarr.open(location.resolve(path), { kind: "array" });
    const { data, shape, stride } = await zarr.get(array);
    line = { dtype: array.dtype, shape, stride };
    if (data.buffer instanceof ArrayBuffer && !array.dtype.startsWith("v2:"))
      line.base64 = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
    else line.values = Array.from(data);
  } catch (error) {
    line = { error: `${error.name}: ${error.message}` };
  }
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
