"""Invoice lines in millions: files read strictly into one canonical Parquet form, added up, compared.

Invariants: money and quantities are integers from the first parse on, never floats; a file is taken whole or not at
all; memory is bounded, whatever the number of lines; the order of lines never changes a result.
"""
