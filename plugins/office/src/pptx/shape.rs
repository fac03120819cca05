//! What is common to all shapes: names, alternative texts, places, placeholders.

use super::bullets::ListStyle;
use super::design::Key;
use super::geometry::Transform;
use crate::text::one_line;
use crate::xml::Element;

/// Outlines, effects and the like: most of a drawing, and nothing that is read here.
pub const LEFT_OUT: [&str; 7] = [
    "custGeom",
    "extLst",
    "effectLst",
    "gradFill",
    "ln",
    "style",
    "scene3d",
];

/// Whether an element is one, or wraps some.
pub fn is_shape(name: &str) -> bool {
    matches!(
        name,
        "sp" | "pic" | "graphicFrame" | "grpSp" | "cxnSp" | "AlternateContent"
    )
}

/// `nvSpPr`, `nvPicPr`, …: what is said about a shape, besides how it looks.
fn about(shape: &Element) -> Option<&Element> {
    shape.elements().find(|child| child.name().starts_with("nv"))
}

/// Whether it is not shown.
pub fn is_hidden(shape: &Element) -> bool {
    let said = about(shape).and_then(|about| about.child("cNvPr")?.attr("hidden"));
    matches!(said, Some("1" | "true" | "on"))
}

/// The placeholder that it fills, if it does.
pub fn placeholder(shape: &Element) -> Option<Key> {
    Some(Key::read(about(shape)?.child("nvPr")?.child("ph")?))
}

/// Where it is, if it says so itself.
pub fn transform(shape: &Element) -> Option<Transform> {
    let properties = ["spPr", "grpSpPr"].iter().find_map(|name| shape.child(name));
    Transform::read(properties.unwrap_or(shape).child("xfrm")?)
}

/// How its paragraphs look, as far as it says so itself.
pub fn list_style(shape: &Element) -> ListStyle {
    let style = shape.child("txBody").and_then(|body| body.child("lstStyle"));
    style.map(ListStyle::read).unwrap_or_default()
}

/// What it shows, in words; none if programs wrote a picture's file name there.
pub fn alternative(shape: &Element) -> Option<String> {
    let about = about(shape)?.child("cNvPr")?;
    let said = |name| about.attr(name).map(one_line).filter(|text| !text.is_empty());
    said("descr")
        .or_else(|| said("title"))
        .filter(|text| !is_file_name(text))
}

fn is_file_name(text: &str) -> bool {
    const ENDINGS: [&str; 11] = [
        "png", "jpg", "jpeg", "gif", "bmp", "emf", "wmf", "svg", "tif", "tiff", "webp",
    ];
    let ending = text
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

#[cfg(test)]
mod tests {
    use super::is_file_name;

    #[test]
    fn names_of_files_say_nothing() {
        for name in [
            "image1.png",
            "C:\\Users\\x\\Рисунок 1.JPG",
            "https://example.org/a.svg",
        ] {
            assert!(is_file_name(name), "{name}");
        }
        for text in ["График продаж", "A dog. It barks.", "v1.2"] {
            assert!(!is_file_name(text), "{text}");
        }
    }
}
