//! docmill/office
