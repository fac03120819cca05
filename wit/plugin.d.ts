// The contract of `plugin.wit` as TypeScript sees it: what a component made by componentize-qjs imports, and the shape of what
// it exports. Meanings, units and rules stand in `plugin.wit`; a test holds that nothing of it is missing here.
//
// Names are in camelCase, an option is a value or `null`, a variant is `{ tag, val }`, an enum its name in kebab-case, and the
// error of a `result` is thrown.

declare module "docmill:plugin/types@0.1.0" {
  export type Json = string;

  export type ErrorKind =
    | "unsupported"
    | "invalid-input"
    | "invalid-config"
    | "unavailable"
    | "denied"
    | "exhausted"
    | "failed";

  /** To be thrown: `throw { … } satisfies PluginError`. It is the record `error` of the contract. */
  export interface PluginError {
    kind: ErrorKind;
    code: string;
    message: string;
    retryAfterMs: number | null;
  }

  export interface TextRange {
    start: number;
    end: number;
  }
  export interface Span {
    page: number;
    range: TextRange;
  }
  export interface Rect {
    left: number;
    top: number;
    right: number;
    bottom: number;
  }
  export interface Size {
    width: number;
    height: number;
  }

  /** JavaScript counts `utf16`. */
  export type TextUnit = "utf8" | "utf16" | "code-point";

  export interface Image {
    mediaType: string;
    data: Uint8Array;
    resolution: number | null;
  }

  export type TextOrigin = "digital" | "recognized" | "mixed";

  export type BlockKind =
    | { tag: "title" }
    | { tag: "heading"; val: number }
    | { tag: "paragraph" }
    | { tag: "list-item"; val: number }
    | { tag: "table" }
    | { tag: "figure" }
    | { tag: "caption" }
    | { tag: "code" }
    | { tag: "formula" }
    | { tag: "key-value" }
    | { tag: "header" }
    | { tag: "footer" }
    | { tag: "footnote" }
    | { tag: "other"; val: string };

  export interface Fragment {
    text: string;
    region: Rect;
    confidence: number | null;
  }
  export interface Cell {
    row: number;
    column: number;
    rowSpan: number;
    columnSpan: number;
    header: boolean;
    text: string;
    region: Rect | null;
    /** Set by the host when read; write `null`. */
    range: TextRange | null;
  }
  export interface Table {
    rows: number;
    columns: number;
    cells: Cell[];
  }
  export interface Block {
    kind: BlockKind;
    text: string;
    fragments: Fragment[];
    table: Table | null;
    image: number | null;
    region: Rect | null;
    confidence: number | null;
    /** Set by the host when read; write `null`. */
    range: TextRange | null;
  }
  export interface PageInfo {
    label: string | null;
    size: Size | null;
    origin: TextOrigin;
    warnings: string[];
  }
  export interface Attachment {
    name: string;
    mediaType: string;
  }

  export interface Citation {
    /** `null` means the main reading. */
    reading: string | null;
    page: number;
    /** With a range, `quote` must be exactly the text there. */
    range: TextRange | null;
    quote: string;
    regions: Rect[];
  }

  export type Decimal = string;
  export interface Money {
    amount: Decimal;
    currency: string | null;
  }
  export type Value =
    | { tag: "text"; val: string }
    | { tag: "boolean"; val: boolean }
    | { tag: "decimal"; val: Decimal }
    | { tag: "money"; val: Money }
    | { tag: "date"; val: string }
    | { tag: "date-time"; val: string }
    | { tag: "json"; val: Json };
  export interface Field {
    path: string;
    /** `null`: looked for and not there. */
    value: Value | null;
    raw: string | null;
    confidence: number | null;
    citations: Citation[];
  }

  export type Outcome = "pass" | "fail" | "undecided";
  export type Severity = "info" | "warning" | "error";
  export interface Check {
    code: string;
    outcome: Outcome;
    severity: Severity;
    reason: string;
    fields: string[];
    citations: Citation[];
  }

  export interface Artifact {
    name: string;
    mediaType: string;
    content: Uint8Array;
  }
}

declare module "docmill:plugin/documents@0.1.0" {
  import type {
    Attachment,
    Block,
    Check,
    Field,
    Fragment,
    Image,
    Json,
    PageInfo,
    Rect,
    Span,
    TextUnit,
  } from "docmill:plugin/types@0.1.0";

  /** The bytes that came in. Made by the host. */
  export class Source {
    private constructor();
    mediaType(): string;
    name(): string | null;
    size(): number;
    digest(): string;
    /** @throws {PluginError} */
    read(offset: number, length: number): Uint8Array;
  }

  /** What one parser made of a source. Made by the host. */
  export class Reading {
    private constructor();
    id(): string;
    sourceMediaType(): string;
    language(): string | null;
    metadata(): [name: string, value: string][];
    pageCount(): number;
    /** @throws {PluginError} */
    page(page: number): PageInfo;
    /** @throws {PluginError} */
    text(page: number): string;
    /** @throws {PluginError} */
    blocks(page: number): Block[];
    /** @throws {PluginError} */
    fragments(at: Span): Fragment[];
    /** @throws {PluginError} */
    image(image: number): Image;
    /** @throws {PluginError} */
    slice(at: Span): string;
    /** @throws {PluginError} */
    find(page: number, needle: string, start: number, limit: number): Span[];
    /**
     * A span from offsets that your language counted in `text(page)`: `span(page, start, end, "utf16")`.
     * @throws {PluginError}
     */
    span(page: number, start: number, end: number, unit: TextUnit): Span;
    /** @throws {PluginError} */
    regions(at: Span): Rect[];
    attachments(): Attachment[];
  }

  /** A reading in the making. Add the pages in order and return it. */
  export class ReadingBuilder {
    constructor();
    /** @throws {PluginError} */
    setLanguage(language: string): void;
    /** @throws {PluginError} */
    addMetadata(name: string, value: string): void;
    /** @throws {PluginError} */
    addImage(image: Image): number;
    /** @throws {PluginError} */
    addPage(info: PageInfo, blocks: Block[]): number;
    /** @throws {PluginError} */
    addAttachment(about: Attachment, content: Uint8Array): void;
  }

  /** What a run was given and what it found so far. Made by the host. */
  export class Inputs {
    private constructor();
    params(): Json;
    main(): Reading | null;
    readings(role: string): Reading[];
    texts(role: string): string[];
    records(role: string): Json[];
    fields(): Field[];
    checks(): Check[];
  }
}

declare module "docmill:plugin/progress@0.1.0" {
  export function report(done: number, total: number | null, note: string): void;
}

/** What a plugin exports: `export const manifest: Manifest`, and one constant of its kind. */
declare module "docmill:plugin/manifest@0.1.0" {
  import type { Json } from "docmill:plugin/types@0.1.0";

  export interface FieldSpec {
    name: string;
    kind: string;
    description: string;
  }
  export interface Description {
    name: string;
    version: string;
    summary: string;
    configSchema: Json;
    accepts: string[];
    fields: FieldSpec[];
  }
  export interface Manifest {
    describe(): Description;
  }
}

declare module "docmill:plugin/parser@0.1.0" {
  import type { Json } from "docmill:plugin/types@0.1.0";
  import type { ReadingBuilder, Source } from "docmill:plugin/documents@0.1.0";
  export interface Parser {
    /** @throws {PluginError} */
    parse(source: Source, config: Json): ReadingBuilder;
  }
}

declare module "docmill:plugin/extractor@0.1.0" {
  import type { Field, Json } from "docmill:plugin/types@0.1.0";
  import type { Inputs } from "docmill:plugin/documents@0.1.0";
  export interface Extractor {
    /** @throws {PluginError} */
    extract(inputs: Inputs, config: Json): Field[];
  }
}

declare module "docmill:plugin/validator@0.1.0" {
  import type { Check, Json } from "docmill:plugin/types@0.1.0";
  import type { Inputs } from "docmill:plugin/documents@0.1.0";
  export interface Validator {
    /** @throws {PluginError} */
    validate(inputs: Inputs, config: Json): Check[];
  }
}

declare module "docmill:plugin/transformer@0.1.0" {
  import type { Artifact, Json } from "docmill:plugin/types@0.1.0";
  import type { Inputs } from "docmill:plugin/documents@0.1.0";
  export type Output = { tag: "json"; val: Json } | { tag: "artifact"; val: Artifact };
  export interface Transformer {
    /** @throws {PluginError} */
    transform(inputs: Inputs, config: Json): Output;
  }
}

declare module "docmill:plugin/chunker@0.1.0" {
  import type { Json, Span } from "docmill:plugin/types@0.1.0";
  import type { Reading } from "docmill:plugin/documents@0.1.0";
  export interface Chunk {
    /** Leave it empty: the host joins the text of the spans. */
    text: string;
    spans: Span[];
    headings: string[];
    metadata: Json | null;
  }
  export interface Chunker {
    /** @throws {PluginError} */
    split(reading: Reading, config: Json): Chunk[];
  }
}

declare module "docmill:plugin/embedder@0.1.0" {
  import type { Json } from "docmill:plugin/types@0.1.0";
  export type Purpose = "document" | "query";
  export interface Embeddings {
    model: string;
    vectors: number[][];
  }
  export interface Embedder {
    /** @throws {PluginError} */
    embed(texts: string[], purpose: Purpose, config: Json): Embeddings;
  }
}

declare module "docmill:plugin/llm-types@0.1.0" {
  import type { Image, Json } from "docmill:plugin/types@0.1.0";

  export type Role = "system" | "user" | "assistant" | "tool";
  export interface ToolCall {
    id: string;
    name: string;
    arguments: Json;
  }
  export interface ToolResult {
    id: string;
    content: string;
    isError: boolean;
  }
  export type Part =
    | { tag: "text"; val: string }
    | { tag: "image"; val: Image }
    | { tag: "tool-call"; val: ToolCall }
    | { tag: "tool-result"; val: ToolResult };
  export interface Message {
    role: Role;
    content: Part[];
  }
  export interface Tool {
    name: string;
    description: string;
    parameters: Json;
  }
  export interface Request {
    /** An alias of the tenant, `null` for `default`; an adapter is given the provider's own name, always. */
    model: string | null;
    messages: Message[];
    schema: Json | null;
    tools: Tool[];
    maxOutputTokens: number | null;
    temperature: number | null;
    seed: number | null;
    stop: string[];
    extra: Json | null;
  }
  export type Finish = "stop" | "length" | "tool-calls" | "refused";
  export interface Usage {
    input: number;
    cachedInput: number;
    output: number;
    reasoning: number;
  }
  export interface Response {
    content: Part[];
    finish: Finish;
    model: string;
    usage: Usage;
  }
  export type Delta = { tag: "text"; val: string } | { tag: "tool-call"; val: ToolCall };
}

/** Language models, a capability: a world of your own imports it. */
declare module "docmill:plugin/llm@0.1.0" {
  import type { Request, Response } from "docmill:plugin/llm-types@0.1.0";
  /** @throws {PluginError} */
  export function complete(request: Request): Response;
}

declare module "docmill:plugin/deltas@0.1.0" {
  import type { Delta } from "docmill:plugin/llm-types@0.1.0";
  /** Where an adapter puts the pieces of an answer. Made by the host. */
  export class DeltaSink {
    private constructor();
    /** @throws {PluginError} Nobody reads any more: stop, and let it through. */
    push(delta: Delta): void;
  }
}

declare module "docmill:plugin/llm-adapter@0.1.0" {
  import type { Json } from "docmill:plugin/types@0.1.0";
  import type { DeltaSink } from "docmill:plugin/deltas@0.1.0";
  import type { Request, Response } from "docmill:plugin/llm-types@0.1.0";
  export interface LlmAdapter {
    /** @throws {PluginError} */
    complete(request: Request, sink: DeltaSink | null, config: Json): Response;
  }
}
