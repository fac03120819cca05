//! docmill/rules
