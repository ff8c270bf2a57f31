"""Run folders: manifest, pictures, tables and page, to be gone on with after any kill."""
