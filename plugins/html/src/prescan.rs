//! Looks at the raw text for what makes the standard's parser slow: tags with thousands of attributes, thousands of
//! `<body>` tags, templates in templates.

use docmill_plugin::Error;

use crate::dom::too_complex;
use crate::limits::{MAX_ATTRIBUTES, MAX_ROOT_TAGS, MAX_TEMPLATES};

/// One pass over the bytes; contents of scripts and comments are passed over as the parser does.
///
/// # Errors
/// `too-complex`.
pub fn check(text: &str) -> Result<(), Error> {
    let mut rest = text.as_bytes();
    let (mut roots, mut templates) = (0_usize, 0_usize);
    while let Some(at) = rest.iter().position(|byte| *byte == b'<') {
        rest = rest.get(at + 1..).unwrap_or_default();
        if rest.starts_with(b"!--") {
            let end = rest
                .windows(3)
                .position(|end| end == b"-->")
                .unwrap_or(rest.len());
            rest = rest.get(end..).unwrap_or_default();
            continue;
        }
        let length = rest
            .iter()
            .take(16)
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        let name = rest.get(..length).unwrap_or_default().to_ascii_lowercase();
        if !rest.first().is_some_and(u8::is_ascii_alphabetic) {
            continue;
        }
        let (attributes, after) = tag(rest);
        roots += usize::from(matches!(name.as_slice(), b"html" | b"body"));
        templates += usize::from(name == b"template");
        if attributes > MAX_ATTRIBUTES {
            return Err(too_complex("a tag has too many attributes"));
        }
        if roots > MAX_ROOT_TAGS || templates > MAX_TEMPLATES {
            return Err(too_complex("it has too many <html>, <body> or <template> tags"));
        }
        rest = after;
        let end: &[u8] = match name.as_slice() {
            b"script" => b"</script",
            b"style" => b"</style",
            _ => continue,
        };
        let at = rest
            .windows(end.len())
            .position(|window| window.eq_ignore_ascii_case(end));
        rest = rest.get(at.unwrap_or(rest.len())..).unwrap_or_default();
    }
    Ok(())
}

/// Counts attributes from above, and gives what follows the tag.
fn tag(bytes: &[u8]) -> (usize, &[u8]) {
    let mut attributes = 0;
    let mut quote = None;
    let mut before = b' ';
    for (at, byte) in bytes.iter().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if open == *byte => {
                quote = None;
                attributes += 1;
            }
            (Some(_), _) => {}
            (None, b'"' | b'\'') if before == b'=' => quote = Some(*byte),
            (None, b'>') => return (attributes, bytes.get(at + 1..).unwrap_or_default()),
            (None, byte)
                if (byte.is_ascii_whitespace() || *byte == b'/')
                    && !(before.is_ascii_whitespace() || before == b'/') =>
            {
                attributes += 1;
            }
            _ => {}
        }
        // `a = "b"` has its quote behind a blank.
        if !(byte.is_ascii_whitespace() && before == b'=') {
            before = *byte;
        }
    }
    (attributes, &[])
}
