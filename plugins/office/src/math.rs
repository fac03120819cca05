//! Office mathematics (OMML) as one line of text: `(a+b)/c`, `x^(2)`, `√(y)`.

use crate::xml::Element;

/// Writes the formula behind `out`.
pub fn write(element: &Element, out: &mut String) {
    match element.name() {
        "t" => out.extend(element.own_text()),
        "f" => {
            group(element.child("num"), out);
            out.push('/');
            group(element.child("den"), out);
        }
        "rad" => {
            if let Some(degree) = element
                .child("deg")
                .filter(|degree| degree.elements().any(|e| e.name() != "ctrlPr"))
            {
                group(Some(degree), out);
            }
            out.push('√');
            group(element.child("e"), out);
        }
        "sSup" => scripts(element, &[("sup", '^')], out),
        "sSub" => scripts(element, &[("sub", '_')], out),
        "sSubSup" | "sPre" => scripts(element, &[("sub", '_'), ("sup", '^')], out),
        "nary" => {
            out.push_str(property(element, "naryPr", "chr").unwrap_or("∫"));
            for (name, mark) in [("sub", '_'), ("sup", '^')] {
                if element.child(name).is_some_and(|e| e.elements().next().is_some()) {
                    out.push(mark);
                    group(element.child(name), out);
                }
            }
            inside(element.child("e"), out);
        }
        "d" => {
            out.push_str(property(element, "dPr", "begChr").unwrap_or("("));
            let between = property(element, "dPr", "sepChr").unwrap_or("|");
            for (index, part) in element.elements().filter(|e| e.name() == "e").enumerate() {
                if index > 0 {
                    out.push_str(between);
                }
                inside(Some(part), out);
            }
            out.push_str(property(element, "dPr", "endChr").unwrap_or(")"));
        }
        "m" => {
            out.push('[');
            for (index, row) in element.elements().filter(|e| e.name() == "mr").enumerate() {
                if index > 0 {
                    out.push_str("; ");
                }
                for (index, cell) in row.elements().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    inside(Some(cell), out);
                }
            }
            out.push(']');
        }
        name if name.ends_with("Pr") => {}
        _ => inside(Some(element), out),
    }
}

fn inside(element: Option<&Element>, out: &mut String) {
    for child in element.iter().flat_map(|element| element.elements()) {
        write(child, out);
    }
}

/// In brackets, if it is more than one sign.
fn group(element: Option<&Element>, out: &mut String) {
    let mut text = String::new();
    inside(element, &mut text);
    if text.chars().all(char::is_alphanumeric) {
        out.push_str(&text);
    } else {
        out.push('(');
        out.push_str(&text);
        out.push(')');
    }
}

fn scripts(element: &Element, scripts: &[(&str, char)], out: &mut String) {
    inside(element.child("e"), out);
    for (name, mark) in scripts {
        out.push(*mark);
        group(element.child(name), out);
    }
}

fn property<'a>(element: &'a Element, properties: &str, name: &str) -> Option<&'a str> {
    element.child(properties)?.val(name)
}
