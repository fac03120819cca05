//! Every bound of this plugin, with its reason. They keep a hostile file from filling the guest's memory or its time;
//! real documents stay an order of magnitude below.

/// Members of the ZIP container. A report with ten thousand pictures still opens.
pub const MAX_ENTRIES: u64 = 20_000;

/// Bytes of the container's directory: names included.
pub const MAX_DIRECTORY_BYTES: u64 = 8 << 20;

/// Bytes that all parts together may unpack to. Only parts that are read count; pictures are not.
pub const MAX_UNPACKED_BYTES: u64 = 512 << 20;

/// A part may unpack to this many times its packed size …
pub const MAX_RATIO: u64 = 250;

/// … once it is larger than this; small parts of one repeated word are honest.
pub const RATIO_FREE_BYTES: u64 = 8 << 20;

/// Bytes of one tag or text; Excel's longest cell has 32 767 characters.
pub const MAX_EVENT_BYTES: u64 = 16 << 20;

/// Nesting of XML elements. Word writes about 30 for a table in a text box in a table.
pub const MAX_XML_DEPTH: usize = 256;

/// Elements and texts of one paragraph or table row, which are held as a tree.
pub const MAX_TREE_NODES: usize = 400_000;

/// Bytes of names, attributes and texts of such a tree.
pub const MAX_TREE_BYTES: usize = 64 << 20;

/// Tables in tables.
pub const MAX_TABLE_DEPTH: usize = 16;

/// Columns that one cell of a Word table may span; Word itself stops at 63.
pub const MAX_GRID_SPAN: u32 = 1_000;

/// Headers and footers (each) of a Word document; more are ignored.
pub const MAX_SECTIONS: usize = 1_000;

/// References to notes; more are ignored.
pub const MAX_NOTES: usize = 100_000;

/// Blocks and cells of a document; each costs the guest and the host some hundred bytes.
pub const MAX_NODES: usize = 500_000;

/// Bytes of text of a document.
pub const MAX_TEXT_BYTES: usize = 64 << 20;

/// Bytes of a workbook's shared strings.
pub const MAX_SHARED_STRING_BYTES: usize = 64 << 20;

/// Styles of a document, cell formats of a workbook, numberings; Excel itself stops at 65 490.
pub const MAX_STYLES: usize = 100_000;

/// Bytes of one number format; Excel itself stops at 255 characters.
pub const MAX_FORMAT_BYTES: usize = 2_000;

/// Sheets of a workbook.
pub const MAX_SHEETS: usize = 2_000;

/// Merged regions of a sheet; more are ignored, with a warning on the page.
pub const MAX_MERGES: usize = 100_000;

/// Slides of a presentation. Each takes two entries of the container, so [`MAX_ENTRIES`] stops most larger decks first.
pub const MAX_SLIDES: usize = 10_000;

/// Layouts and masters of a presentation that slides inherit from; a slide with a further one keeps what it says itself.
pub const MAX_DESIGNS: usize = 1_000;

/// Placeholders of a layout or master; more are ignored. PowerPoint's own have a dozen.
pub const MAX_PLACEHOLDERS: usize = 200;

/// Excel's last row and column, counted from 0.
pub const LAST_ROW: u32 = 1_048_575;
/// See [`LAST_ROW`].
pub const LAST_COLUMN: u32 = 16_383;
