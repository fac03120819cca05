//! Every bound of this plugin, with its reason. The parser follows the HTML standard, whose recovery from errors takes
//! quadratic time on pages made for it; these bounds keep that harmless.

/// Bytes of a page: pages with pictures inside are large, and the tree is a few times the text.
pub const MAX_SOURCE_BYTES: u32 = 24 << 20;

/// Nodes of the tree; one costs about 130 bytes.
pub const MAX_NODES: usize = 500_000;

/// Nodes up to which the main content is looked for, which copies the tree up to four times.
pub const MAX_ARTICLE_NODES: usize = 100_000;

/// Depth of the tree. Browsers stop at 512.
pub const MAX_DEPTH: usize = 512;

/// Bytes that are parsed between two looks at the tree's size and depth.
pub const PIECE_BYTES: usize = 1_024;

/// Attributes of one tag, which are compared pairwise.
pub const MAX_ATTRIBUTES: usize = 1_000;

/// `<html>` and `<body>` tags, whose attributes are merged each time.
pub const MAX_ROOT_TAGS: usize = 200;

/// `<template>` tags, whose contents are trees of their own.
pub const MAX_TEMPLATES: usize = 2_000;

/// Columns that a cell may span, as in the HTML standard.
pub const MAX_COLUMN_SPAN: u32 = 1_000;

/// Columns of a table.
pub const MAX_COLUMNS: u32 = 4_000;

/// Places of a table that spanning cells may take; the host stops at 4 000 000.
pub const MAX_SPANNED_PLACES: u64 = 3_000_000;

/// Bytes of a value of the metadata.
pub const MAX_VALUE_BYTES: usize = 4_000;

/// Bytes of a block of JSON-LD.
pub const MAX_JSON_BYTES: usize = 256 << 10;
