//! A dead datastore as evidence: its objects, without their secrets, and what it says of itself.
//!
//! The file itself never goes into a bundle. Of several datastores only one gives its objects: a server's own
//! before a snapshot, the newest of several snapshots; objects of different days make no cluster.
//! Deliberately absent: any judgement of what was found (`diagnose`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use defib_collect::{Asked, CollectError, Collection, Database};
use defib_formats::kubernetes;
use defib_model::bundle::{About, Seen};
use defib_model::report::Gap;
use defib_model::text::Word;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;

use super::unlocked::token_below;
use super::{Dead, Engine, Item, OnDisk, Trust, Verification, Wanted};
use crate::Event;

/// Datastores of one folder that are read.
const MAX_DATABASES: usize = 16;
/// Bytes of objects in one entry.
const ENTRY: usize = 16 << 20;
/// Objects that are decoded at once.
const BATCH: usize = 512;
/// Places of damage that are told.
const DAMAGES: usize = 5;

/// The first line of what a datastore says of itself; `read` knows it by its first field.
#[derive(Serialize)]
struct Header<'h> {
    datastore: &'h str,
    path: String,
    engine: String,
    snapshot: bool,
    trust: Trust,
    revision: u64,
    compacted: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    member_id: Option<&'h str>,
}

/// What does not hold, in one line.
#[derive(Serialize)]
struct DamageLine<'d> {
    damage: &'d str,
    /// Byte of the file; absent where no one place is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
}

/// A bootstrap record, in one line: its hash is the one of the token's password.
#[derive(Serialize)]
struct RecordLine<'r> {
    bootstrap: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_fits: Option<bool>,
}

/// A member, in one line.
#[derive(Serialize)]
struct MemberLine<'m> {
    member: &'m str,
    name: &'m str,
    role: &'m str,
    peer_urls: &'m [String],
    client_urls: &'m [String],
}

/// A datastore under its name in the evidence.
struct Found {
    id: String,
    /// k3s' data directory, where the datastore stands in one.
    data: Option<PathBuf>,
    dead: Dead,
    verified: Verification,
}

/// Takes every datastore that the last source had.
///
/// # Errors
/// When a sink fails, or the one datastore that was given can't be read.
pub(crate) fn evidence(
    collection: &mut Collection<'_>,
    events: &mut dyn FnMut(Event),
) -> Result<(), CollectError> {
    let mut databases = std::mem::take(&mut collection.databases);
    for left in databases.split_off(databases.len().min(MAX_DATABASES)) {
        let why = format!("more than {MAX_DATABASES} datastores; the rest was not read");
        missed(collection, &left, why);
    }
    let is_alone = collection
        .bundle
        .sources
        .last()
        .is_some_and(|s| s.kind == "datastore");
    let mut found = Vec::new();
    for database in databases {
        events(Event::Reading(database.id.clone()));
        match Dead::open(&database.path) {
            Ok(mut dead) => {
                // Keys that lie beside it open what is encrypted.
                let folder = folder_of(&database.path);
                if let Err(why) = dead.unlock(folder, None, None) {
                    dead.notes.push(why.to_string());
                }
                let verified = dead.verify();
                let data = folder_of(&database.path).to_owned();
                found.push(Found {
                    data: database.is_at_its_place().then_some(data),
                    id: database.id,
                    dead,
                    verified,
                });
            }
            // Elsewhere it may be the database of anything, such as containerd's.
            Err(CollectError::NoDatastore { why, .. }) if database.is_at_its_place() => {
                broken(collection, &database, &why)?;
            }
            Err(CollectError::DamagedDatastore { why, .. }) => {
                broken(collection, &database, &why)?;
            }
            // Given by itself, it is the source that can't be read.
            Err(why) if is_alone => return Err(why),
            Err(why) => missed(collection, &database, why.to_string()),
        }
    }
    let whose = found
        .iter()
        .enumerate()
        .max_by_key(|(n, f)| {
            (
                !f.dead.is_snapshot(),
                f.verified.trust != Trust::Damaged,
                f.verified.revision,
                std::cmp::Reverse(*n),
            )
        })
        .map(|(n, _)| n);
    for (n, one) in found.iter().enumerate() {
        let mut none = Vec::new();
        if Some(n) == whose {
            none = objects(collection, one)?;
        } else {
            let why = "objects are taken from one datastore only: the server's own, or the newest";
            let gap = Gap::new(format!("objects in {}", one.id), why)
                .with_command(command("diagnose", &one.dead.path));
            collection.bundle.gaps.push(gap);
        }
        about(collection, one, &none)?;
    }
    Ok(())
}

/// A command of this tool about a file.
fn command(verb: &str, path: &Path) -> String {
    format!("defib {verb} {}", Word(&path.display().to_string()))
}

/// The k3s data directory that a file of a datastore belongs to, if it stands in one.
fn folder_of(path: &Path) -> &Path {
    let server = path.ancestors().find(|a| a.ends_with("server"));
    server.and_then(Path::parent).unwrap_or(path)
}

fn missed(collection: &mut Collection<'_>, database: &Database, why: String) {
    let gap = Gap::new(format!("datastore {}", database.id), why)
        .with_command(command("inspect verify", &database.path));
    collection.bundle.gaps.push(gap);
    collection.seen(Seen::Part);
}

/// What stands where a datastore should, and does not open as one.
fn broken(
    collection: &mut Collection<'_>,
    database: &Database,
    why: &str,
) -> Result<(), CollectError> {
    let engine = match database.is_etcd {
        true => Engine::Etcd,
        false => Engine::Kine,
    };
    let bytes = std::fs::metadata(&database.path).map_or(0, |m| m.len());
    let header = Header {
        datastore: &database.id,
        path: database.path.display().to_string(),
        engine: engine.to_string(),
        // What does not stand where a member keeps its own was taken to be kept.
        snapshot: !database.is_at_its_place(),
        trust: Trust::Damaged,
        member_id: None,
        revision: 0,
        compacted: 0,
        bytes,
    };
    let lines = [
        line(&header),
        line(&DamageLine {
            damage: why,
            at: None,
        }),
    ];
    write(collection, &database.id, &lines)
}

/// What a datastore says of itself, one value per line.
fn about(
    collection: &mut Collection<'_>,
    one: &Found,
    none: &[String],
) -> Result<(), CollectError> {
    let (dead, verified) = (&one.dead, &one.verified);
    let members = dead.members();
    let mut lines = vec![line(&Header {
        datastore: &one.id,
        path: dead.path.display().to_string(),
        engine: dead.engine().to_string(),
        snapshot: dead.is_snapshot(),
        trust: verified.trust,
        member_id: members.as_ref().and_then(|m| m.id.as_deref()),
        revision: verified.revision,
        compacted: dead.compacted(),
        bytes: dead.length,
    })];
    for check in verified.damage.iter().take(DAMAGES) {
        lines.push(line(&DamageLine {
            damage: &check.what,
            at: Some(check.offset).filter(|at| *at > 0),
        }));
    }
    for member in members.iter().flat_map(|m| &m.members) {
        lines.push(line(&MemberLine {
            member: &member.id,
            name: &member.name,
            role: member.role,
            peer_urls: &member.peer_urls,
            client_urls: &member.client_urls,
        }));
        for alarm in &member.alarms {
            lines.push(line(&json!({"alarm": alarm, "member": member.id})));
        }
    }
    lines.extend(sealed(one));
    for note in dead.notes.iter().chain(&verified.notes) {
        lines.push(line(&json!({ "note": note })));
    }
    if !none.is_empty() {
        lines.push(line(&json!({ "none_of": none })));
    }
    if verified.damages > 0 {
        let why = format!("{} places of it are damaged", verified.damages);
        let gap = Gap::new(format!("part of the datastore {}", one.id), why)
            .with_command(command("inspect verify", &dead.path));
        collection.bundle.gaps.push(gap);
    }
    if dead.is_no_copy() {
        let why = "there is no room for a copy: it was read where it lies, and what was written meanwhile can be \
                   missing or mixed in";
        let gap = Gap::new(
            format!("a consistent copy of the datastore {}", one.id),
            why,
        )
        .with_command(format!("TMPDIR=FOLDER {}", command("diagnose", &dead.path)));
        collection.bundle.gaps.push(gap);
    }
    write(collection, &one.id, &lines)
}

/// k3s' bootstrap records: by their hashes alone whether the token beside the datastore fits, and with it which
/// files of the data directory are not those of the record. Nothing of their content is told.
fn sealed(one: &Found) -> Vec<String> {
    let token = one.data.as_ref();
    let token = token.and_then(|data| token_below(data, "server/token"));
    let Ok(records) = one.dead.bootstrap(None, None) else {
        return Vec::new();
    };
    let mut lines: Vec<String> = records
        .records
        .iter()
        .map(|record| {
            let fits = token.as_ref().map(|t| t.fits(&record.hash));
            line(&RecordLine {
                bootstrap: &record.hash,
                token_fits: fits,
            })
        })
        .collect();
    if let (Some(token), Some(data)) = (&token, &one.data)
        && let Ok(opened) = one.dead.bootstrap(Some(token), Some(data))
    {
        let other =
            |on_disk: &OnDisk| matches!(on_disk, OnDisk::Newer | OnDisk::Older | OnDisk::Differs);
        let differ = opened
            .files
            .iter()
            .filter(|f| f.on_disk.as_ref().is_some_and(other));
        for file in differ.filter_map(|f| f.file) {
            lines.push(line(
                &json!({ "differs_from_bootstrap": format!("server/{file}") }),
            ));
        }
    }
    lines
}

fn line(value: &impl Serialize) -> String {
    // What can't be written here has no form in JSON, and nothing here is such.
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    text
}

fn write(collection: &mut Collection<'_>, id: &str, lines: &[String]) -> Result<(), CollectError> {
    let text = lines.concat();
    let asked = Asked {
        probe: "datastore",
        ..Asked::default()
    };
    collection.keep(
        &format!("{id}.datastore/about.jsonl"),
        text.as_bytes(),
        asked,
    )
}

/// Takes the objects of a datastore; the answer is the kinds of which it has none, as `v1/Pod`.
fn objects(collection: &mut Collection<'_>, one: &Found) -> Result<Vec<String>, CollectError> {
    let dead = &one.dead;
    let list = dead.list(&Wanted::default());
    let mut kinds: BTreeMap<(&str, &str), Vec<Item<'_>>> = BTreeMap::new();
    // What says no kind is encrypted, damaged, or none of Kubernetes'.
    let mut closed: BTreeMap<&str, u64> = BTreeMap::new();
    for item in list.items() {
        if !item.api_version.is_empty() {
            kinds
                .entry((item.api_version, item.kind))
                .or_default()
                .push(item);
        } else if !item.name.is_empty() {
            *closed.entry(item.kind).or_default() += 1;
        }
    }
    let intact = list.index.walked.damages == 0;
    for (resource, count) in &closed {
        let why = "they do not say what they are: encrypted at rest, and the keys are not beside the datastore, or damaged";
        let gap = Gap::new(format!("{count} {resource} in {}", one.id), why)
            .with_command(command("inspect verify", &dead.path));
        collection.bundle.gaps.push(gap);
    }
    let hidden = |kind: &str| closed.keys().any(|resource| is_plural(resource, kind));
    for ((api_version, kind), items) in &kinds {
        let whole = intact && !hidden(kind);
        kind_of(collection, one, api_version, kind, items, whole)?;
    }
    if !intact {
        return Ok(Vec::new());
    }
    let there: BTreeSet<&str> = kinds.keys().map(|(_, kind)| *kind).collect();
    let mut none: Vec<String> = kubernetes::kinds()
        .filter(|(_, kind)| !there.contains(kind) && !hidden(kind))
        .map(|(api_version, kind)| format!("{api_version}/{kind}"))
        .collect();
    none.sort_unstable();
    Ok(none)
}

/// Is `secrets` the plural of `Secret`?
fn is_plural(resource: &str, kind: &str) -> bool {
    let plural = resource.rsplit('/').next().unwrap_or(resource);
    let kind = kind.to_lowercase();
    plural == format!("{kind}s")
        || plural == format!("{kind}es")
        || kind
            .strip_suffix('y')
            .is_some_and(|k| plural == format!("{k}ies"))
        || plural == kind
}

/// Takes the objects of one kind as lists.
fn kind_of(
    collection: &mut Collection<'_>,
    one: &Found,
    api_version: &str,
    kind: &str,
    items: &[Item<'_>],
    whole: bool,
) -> Result<(), CollectError> {
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    let folder = match group {
        "" => kind.to_lowercase(),
        group => format!("{}.{group}", kind.to_lowercase()),
    };
    let folder = safe(&folder);
    let (mut page, mut failed) = (0, 0u64);
    let mut why = String::new();
    let mut batches = items.chunks(BATCH).peekable();
    let mut text = Vec::new();
    while let Some(batch) = batches.next() {
        let read: Vec<_> = batch
            .par_iter()
            .map(|item| one.dead.json(item.place, item.revision))
            .collect();
        for object in read {
            match object {
                Ok(json) => {
                    if !text.is_empty() {
                        text.extend_from_slice(b",\n");
                    }
                    text.extend_from_slice(&json);
                }
                Err(e) => {
                    failed += 1;
                    why = e.to_string();
                }
            }
        }
        let is_last = batches.peek().is_none();
        if text.len() < ENTRY && !is_last {
            continue;
        }
        page += 1;
        // Only behind the last is it known whether all could be read.
        let whole = whole && is_last && failed == 0;
        let list = listed(api_version, kind, &std::mem::take(&mut text), whole);
        let asked = Asked {
            probe: "datastore-list",
            about: Some(About {
                kind: kind.to_owned(),
                api_version: api_version.to_owned(),
                whole,
                ..About::default()
            }),
            ..Asked::default()
        };
        let id = format!("{}.datastore/{folder}/{page:04}.json", one.id);
        collection.keep(&id, &list, asked)?;
    }
    if failed > 0 {
        let gap = Gap::new(
            format!("{failed} objects of kind {kind} in {}", one.id),
            why,
        )
        .with_command(command("inspect verify", &one.dead.path));
        collection.bundle.gaps.push(gap);
    }
    Ok(())
}

/// A list as the API server answers it; one that is not whole says that more would follow.
fn listed(api_version: &str, kind: &str, items: &[u8], whole: bool) -> Vec<u8> {
    let head = json!({
        "kind": format!("{kind}List"),
        "apiVersion": api_version,
        "metadata": {"continue": if whole { "" } else { "more" }},
    });
    let mut text = head.to_string().into_bytes();
    text.pop();
    text.extend_from_slice(b",\"items\":[\n");
    text.extend_from_slice(items);
    text.extend_from_slice(b"\n]}\n");
    text
}

/// A kind as a folder's name, whatever the file says it is.
fn safe(kind: &str) -> String {
    kind.chars()
        .take(128)
        .map(|c| match c {
            'a'..='z' | '0'..='9' | '-' => c,
            '.' => '.',
            _ => '_',
        })
        .collect::<String>()
        .trim_start_matches('.')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_those_of_the_keys() {
        for (resource, kind, is) in [
            ("secrets", "Secret", true),
            ("networkpolicies", "NetworkPolicy", true),
            ("ingress", "Ingress", true),
            ("services/endpoints", "Endpoints", true),
            ("secrets", "ConfigMap", false),
        ] {
            assert_eq!(is_plural(resource, kind), is, "{resource} {kind}");
        }
    }

    #[test]
    fn a_kind_makes_no_path() {
        assert_eq!(safe("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(
            safe("certificate.cert-manager.io"),
            "certificate.cert-manager.io"
        );
    }
}
