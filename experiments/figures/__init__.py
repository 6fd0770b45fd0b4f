"""From numbers to figures, tables in Markdown and the page of the report."""
