//! Nothing but a home for the integration tests in `tests/it`.
