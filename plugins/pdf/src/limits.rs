//! Every bound of the parser. A hostile file meets one of these before it meets the sandbox's memory or time limit.

/// What one stream (page content, font, object stream; not a picture, which is never unpacked here) may unpack to.
/// Beyond any honest page, and several of them fit into a 256 MiB sandbox.
pub const STREAM_BYTES_MAX: u64 = 40 << 20;

/// What all such streams of a file may unpack to together.
pub const ALL_STREAMS_BYTES_MAX: u64 = 400 << 20;

/// Character codes that a page may show, forms within forms counted as often as they are drawn. A dense newspaper page
/// has 30 000; each costs about 500 bytes while its page is read.
pub const PAGE_CODES_MAX: u64 = 150_000;

/// Character codes that are read in one go.
pub const BATCH_CODES_MAX: u64 = 120_000;

/// Pages that are read in one go.
pub const BATCH_PAGES_MAX: usize = 256;

/// Operators that a page may execute, forms within forms counted as often as they are drawn.
pub const PAGE_OPERATORS_MAX: u64 = 4_000_000;

/// Path operators beyond which a page is a drawing (a map, a plan), where looking for ruled tables is costly and vain.
pub const TABLE_PATHS_MAX: u64 = 60_000;

/// Character codes beyond which tables are not looked for on a page.
pub const TABLE_CODES_MAX: u64 = 40_000;

/// Forms (content that a page calls like a function) may nest this deep.
pub const FORM_DEPTH_MAX: usize = 12;

/// Entries of one font's character map: Unicode's whole basic plane fits.
pub const CMAP_ENTRIES_MAX: usize = 70_000;

/// Words of a document; later pages are left empty with a warning. About 4 000 dense pages; 100 bytes each.
pub const WORDS_MAX: usize = 1_000_000;

/// Filled form fields that are added to the text.
pub const FORM_FIELDS_MAX: usize = 5_000;
