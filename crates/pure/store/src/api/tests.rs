//! Whole questions, asked of a datastore that a test holds.
