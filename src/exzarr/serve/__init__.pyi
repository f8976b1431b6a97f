from exzarr.serve.application import app as app
from exzarr.serve.options import ServeOptions as ServeOptions
from exzarr.serve.server import Served as Served, background as background, run as run
from exzarr.serve.snippets import snippets as snippets

__all__: list[str]
