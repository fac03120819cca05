//! What tests need around them: a real PostgreSQL, one database per test.
