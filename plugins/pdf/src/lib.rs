//! docmill/pdf
