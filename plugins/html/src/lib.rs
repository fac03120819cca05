//! docmill/html
