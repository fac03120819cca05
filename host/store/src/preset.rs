//! Presets and their versions.

use docmill_model::id::TenantId;
use docmill_model::preset::{Preset, PresetRef};
use docmill_model::run::Millis;
use sqlx::types::Json;

use crate::Page;
use crate::clean::{json_text, text};
use crate::connect::Store;
use crate::error::StoreError;
use crate::run::page_size;

/// What saving came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedPreset {
    /// The newest version's number now, from 1.
    pub number: i32,
    /// False: the newest version was the same already.
    pub created: bool,
    /// Whether it may be used.
    pub active: bool,
}

/// A preset in one of its versions.
#[derive(Debug, Clone, PartialEq)]
pub struct PresetRow {
    /// Its number, from 1.
    pub number: i32,
    /// As read.
    pub preset: Preset,
    /// As written, comments and all.
    pub source_text: String,
    /// Whether any version of it may be used.
    pub active: bool,
    /// When this version was saved.
    pub created_at: Millis,
}

impl Store {
    /// Saves a preset's newest version. `expected_version`: the newest number that the writer has seen, 0 for a preset that
    /// must not exist yet; none: whatever it is.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the newest version is another than expected.
    pub async fn save_preset(
        &self,
        tenant: TenantId,
        preset: &Preset,
        source_text: &str,
        expected_version: Option<i32>,
    ) -> Result<SavedPreset, StoreError> {
        let (name, source_text) = (preset.name.as_str(), text(source_text));
        let mut tx = self.tenant(tenant).await?;
        sqlx::query!(
            "insert into docmill.preset (tenant_id, name) values ($1, $2) on conflict do nothing",
            tenant.uuid(),
            name,
        )
        .execute(tx.connection())
        .await?;
        // Two who save at once take turns here, so that numbers have no gaps and the second sees the first's.
        let active = sqlx::query_scalar!(
            "select active from docmill.preset where tenant_id = $1 and name = $2 for update",
            tenant.uuid(),
            name,
        )
        .fetch_one(tx.connection())
        .await?;
        let newest = sqlx::query!(
            r#"select number, preset as "preset: Json<Preset>", source_text from docmill.preset_version
               where tenant_id = $1 and name = $2 order by number desc limit 1"#,
            tenant.uuid(),
            name,
        )
        .fetch_optional(tx.connection())
        .await?;
        let number = newest.as_ref().map_or(0, |n| n.number);
        if let Some(expected) = expected_version.filter(|expected| *expected != number) {
            let what = if number == 0 {
                format!("the preset {name} does not exist, but version {expected} was expected")
            } else {
                format!("the newest version of {name} is {number}, not {expected}: read it, then save again")
            };
            return Err(StoreError::Conflict { what });
        }
        let same = newest.is_some_and(|n| n.source_text == *source_text && n.preset.0 == *preset);
        if !same {
            sqlx::query!(
                "insert into docmill.preset_version (tenant_id, name, number, plugin, preset, source_text)
                 values ($1, $2, $3, $4, $5::text::json, $6)",
                tenant.uuid(),
                name,
                number + 1,
                preset.plugin.to_string(),
                json_text(preset)?,
                &*source_text,
            )
            .execute(tx.connection())
            .await?;
        }
        tx.commit().await?;
        Ok(SavedPreset {
            number: if same { number } else { number + 1 },
            created: !same,
            active,
        })
    }

    /// Lets a preset be used, or not any more; whether that changed anything.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; when the database does not answer.
    pub async fn activate_preset(
        &self,
        tenant: TenantId,
        name: &str,
        active: bool,
    ) -> Result<bool, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        // The row before the change; locked, so that of two who change it at once, one finds it changed.
        let before = sqlx::query_scalar!(
            "select active from docmill.preset where tenant_id = $1 and name = $2 for update",
            tenant.uuid(),
            &*text(name),
        )
        .fetch_optional(tx.connection())
        .await?
        .ok_or_else(|| StoreError::not_found(format!("the preset {name}")))?;
        if before != active {
            sqlx::query!(
                "update docmill.preset set active = $3, changes = changes + 1 where tenant_id = $1 and name = $2",
                tenant.uuid(),
                &*text(name),
                active,
            )
            .execute(tx.connection())
            .await?;
        }
        tx.commit().await?;
        Ok(before != active)
    }

    /// One version of a preset, or the newest.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn get_preset(
        &self,
        tenant: TenantId,
        name: &str,
        number: Option<i32>,
    ) -> Result<Option<PresetRow>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let row = sqlx::query!(
            r#"select v.number, v.preset as "preset: Json<Preset>", v.source_text, p.active,
                      docmill.millis(v.created_at) as "created_at!"
               from docmill.preset p
               join docmill.preset_version v on v.tenant_id = p.tenant_id and v.name = p.name
               where p.tenant_id = $1 and p.name = $2 and ($3::integer is null or v.number = $3)
               order by v.number desc limit 1"#,
            tenant.uuid(),
            &*text(name),
            number,
        )
        .fetch_optional(tx.connection())
        .await?;
        tx.end().await?;
        Ok(row.map(|row| PresetRow {
            number: row.number,
            preset: row.preset.0,
            source_text: row.source_text,
            active: row.active,
            created_at: row.created_at,
        }))
    }

    /// Those of these versions that there are, in any order, each with whether it may be used.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn presets_of(
        &self,
        tenant: TenantId,
        wanted: &[PresetRef],
    ) -> Result<Vec<(PresetRef, Preset, bool)>, StoreError> {
        let names: Vec<String> = wanted.iter().map(|w| w.name.clone()).collect();
        let numbers: Vec<i32> = wanted.iter().map(|w| w.number).collect();
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            r#"select v.name, v.number, v.preset as "preset: Json<Preset>", p.active
               from unnest($2::text[], $3::integer[]) w(name, number)
               join docmill.preset_version v on v.tenant_id = $1 and v.name = w.name and v.number = w.number
               join docmill.preset p on p.tenant_id = $1 and p.name = w.name"#,
            tenant.uuid(),
            &names,
            &numbers,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        let found = rows.into_iter().map(|row| {
            let reference = PresetRef {
                name: row.name,
                number: row.number,
            };
            (reference, row.preset.0, row.active)
        });
        Ok(found.collect())
    }

    /// Presets of the tenant in their newest versions, by name. `cursor` is the last name seen. 0 means 50 at once, more than
    /// 200 means 200.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_presets(
        &self,
        tenant: TenantId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<PresetRow, String>, StoreError> {
        let limit = page_size(limit);
        let cursor = cursor.map(text);
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            r#"select v.number, v.preset as "preset: Json<Preset>", v.source_text, p.active,
                      docmill.millis(v.created_at) as "created_at!"
               from docmill.preset p
               cross join lateral (
                   select * from docmill.preset_version v
                   where v.tenant_id = p.tenant_id and v.name = p.name order by v.number desc limit 1
               ) v
               where p.tenant_id = $1 and ($2::text is null or p.name > $2)
               order by p.name limit $3"#,
            tenant.uuid(),
            cursor.as_deref(),
            i64::from(limit) + 1,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        let rows = rows.into_iter().map(|row| PresetRow {
            number: row.number,
            preset: row.preset.0,
            source_text: row.source_text,
            active: row.active,
            created_at: row.created_at,
        });
        Ok(Page::of(rows.collect(), limit, |row| row.preset.name.clone()))
    }

    /// The versions of a preset, newest first: number and when it was saved; empty if there is no such preset. `cursor` is the
    /// last number seen. 0 means 50 at once, more than 200 means 200.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn preset_versions(
        &self,
        tenant: TenantId,
        name: &str,
        cursor: Option<i32>,
        limit: u32,
    ) -> Result<Page<(i32, Millis), i32>, StoreError> {
        let limit = page_size(limit);
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            r#"select number, docmill.millis(created_at) as "created_at!" from docmill.preset_version
               where tenant_id = $1 and name = $2 and ($3::integer is null or number < $3)
               order by number desc limit $4"#,
            tenant.uuid(),
            &*text(name),
            cursor,
            i64::from(limit) + 1,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        let rows = rows.into_iter().map(|row| (row.number, row.created_at));
        Ok(Page::of(rows.collect(), limit, |row| row.0))
    }
}
