//! Between the contract's types and the model's, both ways. Nothing is checked here: see [`crate::output`].

use docmill_model::assemble::{NewBlock, NewCell, NewFragment, NewTable};
use docmill_model::chunk::{NewChunk, Purpose};
use docmill_model::failure::{Code, Failure};
use docmill_model::json::{Builder, ReadError};
use docmill_model::llm;
use docmill_model::reading as model;
use docmill_model::search::TextUnit;
use docmill_model::value;

use crate::bindings::{self, llm_types, types as wit};

macro_rules! enums {
    ($($from:ty => $to:ty { $($case:ident),* };)*) => {$(
        impl From<$from> for $to {
            fn from(it: $from) -> Self {
                match it { $(<$from>::$case => Self::$case),* }
            }
        }
    )*};
}

enums! {
    wit::TextOrigin => model::TextOrigin { Digital, Recognized, Mixed };
    model::TextOrigin => wit::TextOrigin { Digital, Recognized, Mixed };
    wit::TextUnit => TextUnit { Utf8, Utf16, CodePoint };
    wit::Outcome => value::Outcome { Pass, Fail, Undecided };
    value::Outcome => wit::Outcome { Pass, Fail, Undecided };
    wit::Severity => value::Severity { Info, Warning, Error };
    value::Severity => wit::Severity { Info, Warning, Error };
    Purpose => bindings::Purpose { Document, Query };
    llm_types::Role => llm::Role { System, User, Assistant, Tool };
    llm::Role => llm_types::Role { System, User, Assistant, Tool };
    llm_types::Finish => llm::Finish { Stop, Length, ToolCalls, Refused };
    llm::Finish => llm_types::Finish { Stop, Length, ToolCalls, Refused };
}

macro_rules! records {
    ($($a:ty, $b:ty { $($field:ident),* };)*) => {$(
        impl From<$a> for $b {
            fn from(it: $a) -> Self {
                Self { $($field: it.$field.into()),* }
            }
        }
        impl From<$b> for $a {
            fn from(it: $b) -> Self {
                Self { $($field: it.$field.into()),* }
            }
        }
    )*};
}

records! {
    wit::TextRange, model::TextRange { start, end };
    wit::Span, model::TextSpan { page, range };
    wit::Rect, model::Rect { left, top, right, bottom };
    wit::Size, model::PageSize { width, height };
    wit::Money, value::Money { amount, currency };
    llm_types::Usage, llm::Usage { input, cached_input, output, reasoning };
    llm_types::ToolCall, llm::ToolCall { id, name, arguments };
    llm_types::ToolResult, llm::ToolResult { id, content, is_error };
}

impl From<llm_types::Part> for llm::Part {
    fn from(it: llm_types::Part) -> Self {
        use llm_types::Part as W;
        match it {
            W::Text(text) => Self::Text(text),
            W::Image(image) => Self::Image(model::Image {
                media_type: image.media_type,
                data: image.data,
                resolution: image.resolution,
            }),
            W::ToolCall(call) => Self::ToolCall(call.into()),
            W::ToolResult(result) => Self::ToolResult(result.into()),
        }
    }
}

impl From<llm::Part> for llm_types::Part {
    fn from(it: llm::Part) -> Self {
        use llm::Part as M;
        match it {
            M::Text(text) => Self::Text(text),
            M::Image(image) => Self::Image(wit::Image {
                media_type: image.media_type,
                data: image.data,
                resolution: image.resolution,
            }),
            M::ToolCall(call) => Self::ToolCall(call.into()),
            M::ToolResult(result) => Self::ToolResult(result.into()),
        }
    }
}

impl From<llm_types::Delta> for llm::Delta {
    fn from(it: llm_types::Delta) -> Self {
        match it {
            llm_types::Delta::Text(text) => Self::Text(text),
            llm_types::Delta::ToolCall(call) => Self::ToolCall(call.into()),
        }
    }
}

impl From<llm_types::Request> for llm::Request {
    fn from(it: llm_types::Request) -> Self {
        let messages = it.messages.into_iter().map(|message| llm::Message {
            role: message.role.into(),
            content: message.content.into_iter().map(Into::into).collect(),
        });
        let tools = it.tools.into_iter().map(|tool| llm::Tool {
            name: tool.name,
            description: tool.description,
            parameters: tool.parameters,
        });
        Self {
            model: it.model,
            messages: messages.collect(),
            schema: it.schema,
            tools: tools.collect(),
            max_output_tokens: it.max_output_tokens,
            temperature: it.temperature,
            seed: it.seed,
            stop: it.stop,
            extra: it.extra,
        }
    }
}

impl From<&llm::Request> for llm_types::Request {
    fn from(it: &llm::Request) -> Self {
        let messages = it.messages.iter().map(|message| llm_types::Message {
            role: message.role.into(),
            content: message.content.iter().cloned().map(Into::into).collect(),
        });
        let tools = it.tools.iter().map(|tool| llm_types::Tool {
            name: tool.name.clone(),
            description: tool.description.clone(),
            parameters: tool.parameters.clone(),
        });
        Self {
            model: it.model.clone(),
            messages: messages.collect(),
            schema: it.schema.clone(),
            tools: tools.collect(),
            max_output_tokens: it.max_output_tokens,
            temperature: it.temperature,
            seed: it.seed,
            stop: it.stop.clone(),
            extra: it.extra.clone(),
        }
    }
}

impl From<llm_types::Response> for llm::Response {
    fn from(it: llm_types::Response) -> Self {
        Self {
            content: it.content.into_iter().map(Into::into).collect(),
            finish: it.finish.into(),
            model: it.model,
            usage: it.usage.into(),
        }
    }
}

impl From<llm::Response> for llm_types::Response {
    fn from(it: llm::Response) -> Self {
        Self {
            content: it.content.into_iter().map(Into::into).collect(),
            finish: it.finish.into(),
            model: it.model,
            usage: it.usage.into(),
        }
    }
}

impl From<wit::PageInfo> for model::PageInfo {
    fn from(it: wit::PageInfo) -> Self {
        Self {
            label: it.label,
            size: it.size.map(Into::into),
            origin: it.origin.into(),
            warnings: it.warnings,
        }
    }
}

impl From<&model::PageInfo> for wit::PageInfo {
    fn from(it: &model::PageInfo) -> Self {
        Self {
            label: it.label.clone(),
            size: it.size.map(Into::into),
            origin: it.origin.into(),
            warnings: it.warnings.clone(),
        }
    }
}

impl From<wit::BlockKind> for model::BlockKind {
    fn from(it: wit::BlockKind) -> Self {
        use wit::BlockKind as W;
        match it {
            W::Title => Self::Title,
            W::Heading(level) => Self::Heading(level),
            W::Paragraph => Self::Paragraph,
            W::ListItem(depth) => Self::ListItem(depth),
            W::Table => Self::Table,
            W::Figure => Self::Figure,
            W::Caption => Self::Caption,
            W::Code => Self::Code,
            W::Formula => Self::Formula,
            W::KeyValue => Self::KeyValue,
            W::Header => Self::Header,
            W::Footer => Self::Footer,
            W::Footnote => Self::Footnote,
            W::Other(name) => Self::Other(name),
        }
    }
}

impl From<&model::BlockKind> for wit::BlockKind {
    fn from(it: &model::BlockKind) -> Self {
        use model::BlockKind as M;
        match it {
            M::Title => Self::Title,
            M::Heading(level) => Self::Heading(*level),
            M::Paragraph => Self::Paragraph,
            M::ListItem(depth) => Self::ListItem(*depth),
            M::Table => Self::Table,
            M::Figure => Self::Figure,
            M::Caption => Self::Caption,
            M::Code => Self::Code,
            M::Formula => Self::Formula,
            M::KeyValue => Self::KeyValue,
            M::Header => Self::Header,
            M::Footer => Self::Footer,
            M::Footnote => Self::Footnote,
            M::Other(name) => Self::Other(name.clone()),
        }
    }
}

/// A block as a parser writes it.
pub(crate) fn new_block(it: wit::Block) -> NewBlock {
    NewBlock {
        kind: it.kind.into(),
        text: it.text,
        fragments: it
            .fragments
            .into_iter()
            .map(|f| NewFragment {
                text: f.text,
                region: f.region.into(),
                confidence: f.confidence,
            })
            .collect(),
        table: it.table.map(|table| NewTable {
            rows: table.rows,
            columns: table.columns,
            cells: table
                .cells
                .into_iter()
                .map(|c| NewCell {
                    row: c.row,
                    column: c.column,
                    row_span: c.row_span,
                    column_span: c.column_span,
                    header: c.header,
                    text: c.text,
                    region: c.region.map(Into::into),
                })
                .collect(),
        }),
        image: it.image,
        region: it.region.map(Into::into),
        confidence: it.confidence,
    }
}

/// A block as a guest reads it.
pub(crate) fn block(it: &model::Block, page: &model::Page) -> wit::Block {
    let text = |range: model::TextRange| range.of(&page.text).unwrap_or_default().to_owned();
    wit::Block {
        kind: (&it.kind).into(),
        text: text(it.range),
        fragments: Vec::new(),
        table: it.table.as_ref().map(|table| wit::Table {
            rows: table.rows,
            columns: table.columns,
            cells: table
                .cells
                .iter()
                .map(|c| wit::Cell {
                    row: c.row,
                    column: c.column,
                    row_span: c.row_span,
                    column_span: c.column_span,
                    header: c.header,
                    text: text(c.range),
                    region: c.region.map(Into::into),
                    range: Some(c.range.into()),
                })
                .collect(),
        }),
        image: it.image,
        region: it.region.map(Into::into),
        confidence: it.confidence,
        range: Some(it.range.into()),
    }
}

/// A value as a guest wrote it.
fn value_from(it: wit::Value, json: &mut Builder) -> Result<value::Value, ReadError> {
    use value::Value as M;
    use wit::Value as W;
    Ok(match it {
        W::Text(text) => M::Text(text),
        W::Boolean(value) => M::Boolean(value),
        W::Decimal(digits) => M::Decimal(digits),
        W::Money(money) => M::Money(money.into()),
        W::Date(date) => M::Date(date),
        W::DateTime(time) => M::DateTime(time),
        W::Json(text) => M::Json(json.read(&text)?),
    })
}

fn value_to(it: &value::Value) -> wit::Value {
    use value::Value as M;
    use wit::Value as W;
    match it {
        M::Text(text) => W::Text(text.clone()),
        M::Boolean(value) => W::Boolean(*value),
        M::Decimal(digits) => W::Decimal(digits.clone()),
        M::Money(money) => W::Money(money.clone().into()),
        M::Date(date) => W::Date(date.clone()),
        M::DateTime(time) => W::DateTime(time.clone()),
        M::Json(json) => W::Json(json.to_string()),
    }
}

/// A citation as a guest wrote it, not settled yet.
pub(crate) fn citation_from(it: wit::Citation) -> value::Citation {
    value::Citation {
        reading: it.reading,
        page: it.page,
        range: it.range.map(Into::into),
        quote: it.quote,
        regions: it.regions.into_iter().map(Into::into).collect(),
        class: value::MatchClass::Unmatched,
    }
}

fn citation_to(it: &value::Citation) -> wit::Citation {
    wit::Citation {
        reading: it.reading.clone(),
        page: it.page,
        range: it.range.map(Into::into),
        quote: it.quote.clone(),
        regions: it.regions.iter().map(|r| (*r).into()).collect(),
    }
}

/// A field as a guest wrote it, without its citations.
pub(crate) fn field_from(
    it: wit::Field,
    json: &mut Builder,
) -> Result<(value::Field, Vec<wit::Citation>), ReadError> {
    let value = match it.value {
        Some(value) => Some(value_from(value, json)?),
        None => None,
    };
    let field = value::Field {
        path: it.path,
        value,
        raw: it.raw,
        confidence: it.confidence,
        origin: None,
        citations: Vec::new(),
    };
    Ok((field, it.citations))
}

/// A field as a guest reads it.
pub(crate) fn field_to(it: &value::Field) -> wit::Field {
    wit::Field {
        path: it.path.clone(),
        value: it.value.as_ref().map(value_to),
        raw: it.raw.clone(),
        confidence: it.confidence,
        citations: it.citations.iter().map(citation_to).collect(),
    }
}

/// A check as a guest wrote it, without its citations.
pub(crate) fn check_from(it: wit::Check) -> (value::Check, Vec<wit::Citation>) {
    let check = value::Check {
        code: it.code,
        outcome: it.outcome.into(),
        severity: it.severity.into(),
        reason: it.reason,
        fields: it.fields,
        origin: None,
        citations: Vec::new(),
    };
    (check, it.citations)
}

/// A check as a guest reads it.
pub(crate) fn check_to(it: &value::Check) -> wit::Check {
    wit::Check {
        code: it.code.clone(),
        outcome: it.outcome.into(),
        severity: it.severity.into(),
        reason: it.reason.clone(),
        fields: it.fields.clone(),
        citations: it.citations.iter().map(citation_to).collect(),
    }
}

/// A chunk as a guest wrote it.
pub(crate) fn chunk_from(it: bindings::SplitChunk, json: &mut Builder) -> Result<NewChunk, ReadError> {
    Ok(NewChunk {
        text: it.text,
        spans: it.spans.into_iter().map(Into::into).collect(),
        headings: it.headings,
        metadata: it.metadata.map(|text| json.read(&text)).transpose()?,
    })
}

/// Text for people, without control characters and not longer than `most` characters.
pub(crate) fn shown(text: &str, most: usize) -> String {
    let mut shown: String = text
        .chars()
        .take(most)
        .map(|c| {
            if c.is_control() && c != '\n' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

/// The contract has one word for a quota that is filled again and for a bound that the plugin keeps for its own sake. A
/// client may wait for the former alone, so only what says when it is filled again is taken for one.
fn exhausted(it: &wit::Error) -> Code {
    match it.retry_after_ms {
        Some(_) => Code::Exhausted,
        None if it.code == "too-large" => Code::InputTooLarge,
        None => Code::PluginBound,
    }
}

/// What a plugin itself says went wrong.
pub(crate) fn reported(it: &wit::Error) -> Failure {
    let code = match it.kind {
        wit::ErrorKind::Unsupported => Code::Unsupported,
        wit::ErrorKind::InvalidInput => Code::InvalidInput,
        wit::ErrorKind::InvalidConfig => Code::InvalidConfig,
        wit::ErrorKind::Unavailable => Code::PluginUnavailable,
        wit::ErrorKind::Denied => Code::Denied,
        wit::ErrorKind::Exhausted => exhausted(it),
        wit::ErrorKind::Failed => Code::PluginFailed,
    };
    Failure {
        reason: (!it.code.is_empty()).then(|| shown(&it.code, 80)),
        retry_after_ms: it.retry_after_ms,
        ..Failure::new(code, shown(&it.message, 2_000))
    }
}

/// A failure as a guest reads it; [`reported`] gives it back, should the guest hand it on.
pub(crate) fn told(it: &Failure) -> wit::Error {
    let kind = match it.code {
        Code::Unsupported => wit::ErrorKind::Unsupported,
        Code::InvalidInput | Code::InvalidParams | Code::MissingInput => wit::ErrorKind::InvalidInput,
        Code::InvalidConfig => wit::ErrorKind::InvalidConfig,
        Code::Denied => wit::ErrorKind::Denied,
        Code::Exhausted | Code::QuotaExceeded | Code::InputTooLarge | Code::PluginBound => {
            wit::ErrorKind::Exhausted
        }
        code if code.transient() || code == Code::Timeout => wit::ErrorKind::Unavailable,
        _ => wit::ErrorKind::Failed,
    };
    let code = it.reason.as_deref().unwrap_or(match it.code {
        Code::InputTooLarge => "too-large",
        other => other.as_str(),
    });
    wit::Error {
        kind,
        code: code.to_owned(),
        message: it.message.clone(),
        retry_after_ms: it.retry_after_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_final_and_a_quota_says_when_it_is_filled_again() {
        for (reason, retry_after_ms, code, status) in [
            ("too-large", None, Code::InputTooLarge, 413),
            ("too-complex", None, Code::PluginBound, 422),
            ("fuel", None, Code::PluginBound, 422),
            ("tokens", Some(60_000), Code::Exhausted, 429),
        ] {
            let failure = reported(&wit::Error {
                kind: wit::ErrorKind::Exhausted,
                code: reason.to_owned(),
                message: "as asked".to_owned(),
                retry_after_ms,
            });
            assert_eq!((failure.code, failure.code.status()), (code, status), "{reason}");
            assert_eq!(failure.reason.as_deref(), Some(reason));
            assert_eq!(failure.retry_after_ms, retry_after_ms, "{reason}");
        }
    }
}
