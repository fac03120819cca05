//! A line in the making: runs of blanks count as one, as in a browser.

/// Text up to the next block.
#[derive(Default)]
pub struct Line {
    text: String,
    verbatim: bool,
}

impl Line {
    /// Adds text of the page.
    pub fn push(&mut self, text: &str) {
        if self.verbatim {
            self.text.push_str(text);
            return;
        }
        for c in text.chars() {
            if c.is_whitespace() {
                if !self.text.is_empty() && !self.text.ends_with([' ', '\n']) {
                    self.text.push(' ');
                }
            } else if !is_noise(c) {
                self.text.push(c);
            }
        }
    }

    /// `<br>`.
    pub fn line_break(&mut self) {
        if !self.verbatim {
            self.trim_end();
            if self.text.is_empty() {
                return;
            }
        }
        self.text.push('\n');
    }

    /// Whether blanks and line ends are kept, as in `<pre>`.
    pub fn verbatim(&mut self, on: bool) {
        self.verbatim = on;
    }

    pub fn ends_with(&self, text: &str) -> bool {
        self.text.trim_end().ends_with(text)
    }

    /// The line without blanks around it, and starts the next one.
    pub fn take(&mut self) -> String {
        self.trim_end();
        std::mem::take(&mut self.text)
    }

    /// The lines as they are, without empty ones around them.
    pub fn take_verbatim(&mut self) -> String {
        let text = std::mem::take(&mut self.text).replace("\r\n", "\n");
        text.trim_matches(['\n', '\r'])
            .trim_end()
            .chars()
            .filter(|c| matches!(c, '\n' | '\t') || !is_noise(*c))
            .collect()
    }

    fn trim_end(&mut self) {
        self.text.truncate(self.text.trim_end().len());
    }
}

fn is_noise(c: char) -> bool {
    c.is_control() || matches!(c, '\u{ad}' | '\u{200b}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}
