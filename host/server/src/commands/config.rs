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
        let (shown, origin) = config.shown(setting)?;
        Some([
            setting.name.to_owned(),
            shown.to_owned(),
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
