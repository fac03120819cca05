//! `docmill config show`

use anyhow::Result;

use crate::cli::{Arguments, Config as Command};
use crate::config::SETTINGS;
use crate::show::{Style, say, table};
use crate::{commands, exit};

/// Shows every setting with its value, origin and reason; secrets only as set or not.
pub fn config(arguments: &Arguments, Command::Show { json }: &Command) -> Result<u8> {
    let config = commands::load_config(arguments, &[])?;
    let rows = SETTINGS.iter().filter_map(|setting| {
        let (value, origin) = config.resolved.get(setting.name)?;
        let shown = match (setting.secret, value.is_empty()) {
            (_, true) => "(not set)".to_owned(),
            (true, false) => "(set, not shown)".to_owned(),
            (false, false) => value.clone(),
        };
        Some([
            setting.name.to_owned(),
            shown,
            origin.to_string(),
            setting.about.to_owned(),
        ])
    });
    let rows: Vec<[String; 4]> = rows.collect();
    if *json {
        let list: Vec<_> = rows
            .iter()
            .map(|[name, value, origin, about]| serde_json::json!({ "name": name, "value": value, "origin": origin, "about": about }))
            .collect();
        say!("{}", serde_json::to_string_pretty(&list)?);
    } else {
        let mut out = String::new();
        table(
            &mut out,
            ["setting", "value", "from", "unit and reason"],
            &rows,
            Style::stdout(),
        );
        say!("{}", out.trim_end());
    }
    Ok(exit::OK)
}
