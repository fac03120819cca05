//! docmill/patterns
