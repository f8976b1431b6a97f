from exzarr.codecs.bitround import BitRound as BitRound
from exzarr.codecs.blosc import Blosc as Blosc
from exzarr.codecs.bytes import Bytes as Bytes
from exzarr.codecs.cast_value import CastValue as CastValue
from exzarr.codecs.crc32c import Crc32c as Crc32c
from exzarr.codecs.gzip import Gzip as Gzip
from exzarr.codecs.packbits import PackBits as PackBits
from exzarr.codecs.registry import get as get, known as known, register as register
from exzarr.codecs.reshape import Reshape as Reshape
from exzarr.codecs.scale_offset import ScaleOffset as ScaleOffset
from exzarr.codecs.sharding import Sharding as Sharding
from exzarr.codecs.transpose import Transpose as Transpose
from exzarr.codecs.vlen import VLenBytes as VLenBytes, VLenUTF8 as VLenUTF8
from exzarr.codecs.zstd import Zstd as Zstd

__all__: list[str]
