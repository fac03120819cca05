//! docmill/template
