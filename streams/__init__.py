"""What is computed: operators over columns, the shard that holds their state, and the Faust engine that drives it.

A new operator is one module here and one line in `registry.py`. Only `engine.py` and `faust_seams.py` know Faust.
"""
