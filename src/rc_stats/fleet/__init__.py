"""
Many documents: an archive of JSON lines, decided line by line by the same gate, on one core, on all, or on a cluster.

::

    lines     one line to a ruling: a payload, or the rules that refuse it
    inputs    files, globs, URLs and standard input to pieces of work, in order
    packing   gzip and zstd
    pieces    whole lines between two offsets, and what becomes of them
    ring      pieces to worker processes and back, in order
    cluster   the same to a Dask cluster
    output    payloads, decisions and the journal by which a killed run goes on
    bulk      a whole run
    batches   Arrow record batches, for Spark and Ray
    command   rc-stats bulk

A line is ``{"workspace": …, "consent": …, "statistics": …}`` or a bare document. Each is decided on its own and as a
first report: figures of people are protected within one report, and nothing is remembered from line to line. So give
each workspace one line for each period.
"""
