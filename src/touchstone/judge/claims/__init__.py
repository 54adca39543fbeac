"""What somebody else published: any text read into tables, and tables into claims."""
