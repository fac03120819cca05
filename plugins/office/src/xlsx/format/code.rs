//! The language of number formats (ECMA-376 part 1, 18.8.31).

use super::short_date;
use crate::Locale;
use crate::limits::MAX_FORMAT_BYTES;

/// What a section writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    #[default]
    General,
    Number,
    Date,
}

/// A part of a section, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    Literal(String),
    /// The number without a format.
    General,
    /// `0`, `#` or `?`.
    Digit(char),
    Point,
    Percent,
    /// With a sign for positive exponents.
    Exponent(bool),
    /// `/` between digits.
    Fraction,
    /// `yyyy`, `mm`, `d`, `h`, `ss`: the letter and how often. `n` is a minute.
    Date(char, usize),
    /// Digits of the second's fraction.
    SecondFraction(usize),
    /// Hours, minutes or seconds in all: `[h]`.
    Elapsed(char, usize),
    /// Morning or afternoon; true: `AM`, false: `A`.
    HalfDay(bool),
}

/// When a section applies, if not by the number's sign.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Condition {
    less: bool,
    equal: bool,
    greater: bool,
    than: f64,
}

impl Condition {
    fn parse(text: &str) -> Option<Self> {
        let number = text.trim_start_matches(['<', '=', '>']);
        let (less, equal, greater) = match text.strip_suffix(number)? {
            "<" => (true, false, false),
            "<=" => (true, true, false),
            "=" => (false, true, false),
            ">=" => (false, true, true),
            ">" => (false, false, true),
            "<>" => (true, false, true),
            _ => return None,
        };
        Some(Self {
            less,
            equal,
            greater,
            than: number.trim().parse().ok()?,
        })
    }

    /// Whether it holds for a value.
    pub fn holds(self, value: f64) -> bool {
        (self.less && value < self.than)
            || (self.equal && value == self.than)
            || (self.greater && value > self.than)
    }
}

/// One of up to four sections, separated by `;`.
#[derive(Debug, Default)]
pub struct Section {
    pub kind: Kind,
    pub condition: Option<Condition>,
    pub pieces: Vec<Piece>,
    /// Thousands are grouped.
    pub grouped: bool,
    /// Commas behind the digits: thousands that are left out.
    pub thousands: u32,
    /// Names of months: a Windows language, 0x19 Russian, 0x3F Kazakh.
    pub language: Option<u32>,
}

/// Parses a code; nothing is refused, because Excel would not have opened the workbook.
pub fn parse(code: &str, locale: Locale) -> Vec<Section> {
    let code = code
        .get(..code.floor_char_boundary(MAX_FORMAT_BYTES))
        .unwrap_or_default();
    let mut sections = Vec::new();
    let mut parser = Parser {
        rest: code,
        locale,
        section: Section::default(),
        commas: 0,
    };
    loop {
        let more = parser.section();
        let mut done = std::mem::take(&mut parser.section);
        parser.commas = 0;
        finish(&mut done);
        sections.push(done);
        if !more || sections.len() == 4 {
            return sections;
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    locale: Locale,
    section: Section,
    /// Commas since the last digit.
    commas: u32,
}

impl<'a> Parser<'a> {
    fn take(&mut self) -> Option<char> {
        let first = self.rest.chars().next()?;
        self.rest = self.rest.get(first.len_utf8()..).unwrap_or_default();
        Some(first)
    }

    fn take_until(&mut self, end: char) -> &'a str {
        let (text, rest) = self.rest.split_once(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        text
    }

    fn literal(&mut self, text: &str) {
        match self.section.pieces.last_mut() {
            Some(Piece::Literal(before)) => before.push_str(text),
            _ => self.section.pieces.push(Piece::Literal(text.to_owned())),
        }
    }

    /// True if another section follows.
    fn section(&mut self) -> bool {
        loop {
            let here = self.rest;
            let Some(first) = self.take() else { return false };
            match first {
                ';' => return true,
                '"' => {
                    let text = self.take_until('"');
                    self.literal(text);
                }
                '\\' => {
                    let text = self.take().map(String::from).unwrap_or_default();
                    self.literal(&text);
                }
                '_' => {
                    self.take();
                    self.literal(" ");
                }
                '*' => {
                    self.take();
                }
                '[' => {
                    let text = self.take_until(']');
                    self.bracket(text);
                }
                '0' | '#' | '?' => {
                    if self.commas > 0 {
                        self.section.grouped = true;
                        self.commas = 0;
                        self.section.thousands = 0;
                    }
                    self.section.pieces.push(Piece::Digit(first));
                }
                ',' if matches!(self.section.pieces.last(), Some(Piece::Digit(_))) || self.commas > 0 => {
                    self.commas += 1;
                    self.section.thousands += 1;
                }
                '.' => {
                    let zeros = self.rest.len() - self.rest.trim_start_matches('0').len();
                    let in_seconds = matches!(
                        self.section.pieces.last(),
                        Some(Piece::Date('s', _) | Piece::Elapsed('s', _))
                    );
                    if in_seconds && zeros > 0 {
                        self.rest = self.rest.get(zeros..).unwrap_or_default();
                        self.section.pieces.push(Piece::SecondFraction(zeros.min(3)));
                    } else {
                        // Commas before the point scale as those behind the digits do.
                        self.commas = 0;
                        self.section.pieces.push(Piece::Point);
                    }
                }
                '%' => self.section.pieces.push(Piece::Percent),
                '/' if matches!(self.section.pieces.last(), Some(Piece::Digit(_))) => {
                    self.section.pieces.push(Piece::Fraction)
                }
                'E' | 'e' if self.rest.starts_with(['+', '-']) => {
                    let plus = self.take() == Some('+');
                    self.section.pieces.push(Piece::Exponent(plus));
                }
                'G' | 'g' if starts_with_ignoring_case(here, "general") => {
                    self.rest = here.get("general".len()..).unwrap_or_default();
                    self.section.pieces.push(Piece::General);
                }
                '@' => self.section.pieces.push(Piece::General),
                'A' | 'a'
                    if starts_with_ignoring_case(here, "am/pm") || starts_with_ignoring_case(here, "a/p") =>
                {
                    let long = starts_with_ignoring_case(here, "am/pm");
                    self.rest = here.get(if long { 5 } else { 3 }..).unwrap_or_default();
                    self.section.pieces.push(Piece::HalfDay(long));
                }
                'y' | 'Y' | 'm' | 'M' | 'd' | 'D' | 'h' | 'H' | 's' | 'S' => {
                    let count = 1 + self.rest.len()
                        - self
                            .rest
                            .trim_start_matches([first.to_ascii_lowercase(), first.to_ascii_uppercase()])
                            .len();
                    self.rest = here.get(count..).unwrap_or_default();
                    self.section
                        .pieces
                        .push(Piece::Date(first.to_ascii_lowercase(), count));
                }
                other => self.literal(other.encode_utf8(&mut [0; 4])),
            }
        }
    }

    fn bracket(&mut self, text: &str) {
        let lower = text.to_ascii_lowercase();
        if let Some(condition) = Condition::parse(text) {
            self.section.condition = Some(condition);
        } else if let Some(money) = text.strip_prefix('$') {
            let (sign, language) = money.rsplit_once('-').unwrap_or((money, ""));
            self.literal(sign);
            match language.to_ascii_uppercase().as_str() {
                // "As this computer writes long dates" and "… times".
                "F800" | "X-SYSDATE" => {
                    self.rest = "";
                    let own = parse(short_date(self.locale), self.locale);
                    self.section = own.into_iter().next().unwrap_or_default();
                }
                "F400" | "X-SYSTIME" => {
                    self.rest = "";
                    let own = parse("hh:mm:ss", self.locale);
                    self.section = own.into_iter().next().unwrap_or_default();
                }
                tag => {
                    let code = u32::from_str_radix(tag, 16).ok().map(|code| code & 0x3FF);
                    let named = [("RU", 0x19), ("KK", 0x3F), ("EN", 0x09)]
                        .into_iter()
                        .find(|(name, _)| tag.starts_with(name));
                    self.section.language = code.or(named.map(|(_, code)| code)).or(self.section.language);
                }
            }
        } else if let Some(unit @ ('h' | 'm' | 's')) = lower
            .chars()
            .next()
            .filter(|unit| lower.chars().all(|c| c == *unit))
        {
            self.section.pieces.push(Piece::Elapsed(unit, lower.len()));
        }
        // Colours and number shapes say nothing in text.
    }
}

fn starts_with_ignoring_case(text: &str, word: &str) -> bool {
    text.get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// Decides what the section is, and which `m` are minutes: those behind hours or before seconds.
fn finish(section: &mut Section) {
    let is_date = |piece: &Piece| matches!(piece, Piece::Date(..) | Piece::Elapsed(..) | Piece::HalfDay(_));
    let is_number = |piece: &Piece| matches!(piece, Piece::Digit(_) | Piece::Percent | Piece::Point);
    section.kind = if section.pieces.contains(&Piece::General) {
        Kind::General
    } else if section.pieces.iter().any(is_date) {
        Kind::Date
    } else if section.pieces.iter().any(is_number) || !section.pieces.is_empty() {
        Kind::Number
    } else {
        // An empty section hides the number; an empty code is General.
        Kind::Number
    };
    let units: Vec<(usize, char)> = section
        .pieces
        .iter()
        .enumerate()
        .filter_map(|(index, piece)| match piece {
            Piece::Date(unit, _) | Piece::Elapsed(unit, _) => Some((index, *unit)),
            _ => None,
        })
        .collect();
    for (at, (index, unit)) in units.iter().enumerate() {
        let before = at
            .checked_sub(1)
            .and_then(|before| units.get(before))
            .map(|(_, unit)| *unit);
        let after = units.get(at + 1).map(|(_, unit)| *unit);
        if *unit == 'm'
            && (before == Some('h') || after == Some('s'))
            && let Some(Piece::Date(unit, 1 | 2)) = section.pieces.get_mut(*index)
        {
            *unit = 'n';
        }
    }
}
