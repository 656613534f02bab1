"""The report: one self-contained HTML page, drawn from findings and records, that opens offline.

`charts` draws figures, `page` puts sections of prose, tables and figures into one file, `sections` has one file for
each part of the page. A section is a function from data to a `page.Section`; nothing in it measures anything.
"""
