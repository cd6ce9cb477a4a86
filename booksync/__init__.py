"""booksync keeps a local order book equal to the venue's, or says that it is not."""
