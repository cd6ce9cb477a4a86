"""An exchange that you can break: for rehearsing gaps, and for booksync itself."""
