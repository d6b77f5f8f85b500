"""docs/performance.md, written from bench/results: `python -m bench.performance`.

page        titles, commands, and who tells each result
engine, intake, outages, outlets, trust     what is told of a result, by its part of the system
table       Markdown

A test fails when the page no longer says what the results say.
"""
