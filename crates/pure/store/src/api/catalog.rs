//! What a datastore serves: Kubernetes' own kinds, and those that its definitions make.
//!
//! A kind is served in the versions in which its objects are stored, since nothing here converts; only a custom
//! resource whose versions differ by name alone is served in all of them. Deliberately absent: objects.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use defib_formats::kubernetes;
use serde_json::Value;

use super::builtin::{KINDS, PRIORITIES};
use super::columns::{Column, Columns};
use super::listing::LONGEST as LONGEST_VALUE;
use super::value::{at, list, text, truth};
use crate::index::Index;
use crate::name::{Form, name};

/// Custom kinds that are served; a hostile file may define any number.
const CUSTOM: usize = 4_096;
/// Letters of what a definition says of a column.
const LONGEST: usize = 1_024;
/// Versions of one kind.
const VERSIONS: usize = 16;
/// Groups and versions by which objects of one kind are counted.
const STORED: usize = 64;

/// One kind of objects.
#[derive(Clone, Debug, Default)]
pub(super) struct Resource {
    /// Empty for the core.
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) plural: String,
    pub(super) singular: String,
    pub(super) short: Vec<String>,
    pub(super) categories: Vec<String>,
    pub(super) is_namespaced: bool,
    /// What its keys begin with, up to and with the last slash.
    pub(super) prefix: String,
    /// Versions that are served, the preferred first.
    pub(super) versions: Vec<String>,
    /// Objects by the group and version in which they are stored, of those that say it in words that can stand in
    /// a path.
    pub(super) stored: BTreeMap<String, usize>,
    /// Those that say it in others, and those that would be of one version too many.
    pub(super) unnamed: usize,
    /// Those whose values are too long to be shown.
    pub(super) long: usize,
    /// Objects that are encrypted or damaged.
    pub(super) closed: usize,
    /// Groups and versions other than its own under which objects of its keys are served.
    pub(super) elsewhere: Vec<String>,
    /// Where a definition made it.
    pub(super) custom: Option<Custom>,
}

/// What a definition says of its kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Custom {
    /// Its name, under which it is stored; empty where there is none.
    pub(super) definition: String,
    /// Whether versions are the same but for their names.
    pub(super) is_one: bool,
    /// Columns, by version.
    pub(super) columns: BTreeMap<String, Columns>,
    /// Fields that selectors may ask for, as paths without the first dot.
    pub(super) selectable: Vec<String>,
}

impl Resource {
    /// `pods`, `deployments.apps`.
    pub(super) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// `v1`, `apps/v1`.
    pub(super) fn api_version(&self, version: &str) -> String {
        join(&self.group, version)
    }

    /// Are objects that are stored so served under another address?
    pub(super) fn is_served(&self, stored: &str) -> bool {
        let (group, version) = stored.split_once('/').unwrap_or(("", stored));
        let is_own = group == self.group && self.versions.iter().any(|v| v == version);
        is_own || self.elsewhere.iter().any(|other| other == stored)
    }

    /// Are objects that are stored in this version answered when another is asked for?
    pub(super) fn serves(&self, stored: &str, asked: &str) -> bool {
        let own = served_version(stored, &self.kind);
        own == self.api_version(asked) || self.custom.as_ref().is_some_and(|c| c.is_one)
    }
}

/// Group and version in one word.
pub(super) fn join(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

/// The version in which `formats` answers what is stored in another.
fn served_version<'v>(stored: &'v str, kind: &str) -> &'v str {
    match (stored, kind) {
        ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition") => "apiextensions.k8s.io/v1",
        ("storage.k8s.io/v1beta1", "VolumeAttributesClass") => "storage.k8s.io/v1",
        _ => stored,
    }
}

/// All kinds.
#[derive(Clone, Debug, Default)]
pub(super) struct Catalog {
    /// By group and plural, so that answers have an order.
    pub(super) resources: Vec<Resource>,
}

impl Catalog {
    /// Of an index; `definition` reads the object under a place among the live keys.
    pub(super) fn new(index: &Index, definition: &dyn Fn(usize) -> Option<Value>) -> Self {
        let mut resources: Vec<Resource> = KINDS.lines().filter_map(builtin).collect();
        let mut moved = Vec::new();
        for resource in &mut resources {
            count(resource, index);
            moved.extend(of_other_groups(resource));
        }
        resources.extend(moved);
        let definitions = resources
            .iter()
            .find(|r| r.kind == "CustomResourceDefinition")
            .map(|r| index.below(r.prefix.as_bytes()))
            .unwrap_or_default();
        let mut taken: BTreeSet<(String, String)> = resources
            .iter()
            .map(|r| (r.group.clone(), r.plural.clone()))
            .collect();
        for place in definitions.take(CUSTOM) {
            let Some(mut resource) = definition(place).as_ref().and_then(custom) else {
                continue;
            };
            if !taken.insert((resource.group.clone(), resource.plural.clone())) {
                continue;
            }
            count(&mut resource, index);
            resources.push(resource);
        }
        for mut resource in orphans(index, &taken) {
            count(&mut resource, index);
            let versions = resource.versions.clone();
            if let Some(custom) = &mut resource.custom {
                let plain = |version| (version, Columns::new(std::iter::empty()));
                custom.columns = versions.into_iter().map(plain).collect();
            }
            resources.push(resource);
        }
        resources.sort_by(|a, b| (&a.group, &a.plural).cmp(&(&b.group, &b.plural)));
        Self { resources }
    }

    /// The kind behind a path.
    pub(super) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Resource> {
        self.resources.iter().find(|r| {
            r.group == group && r.plural == plural && r.versions.iter().any(|v| v == version)
        })
    }

    /// Groups other than the core, with their versions, the preferred first. Clients take a short name for that of
    /// the first group that has it, so Kubernetes' own stand before all others, as an API server ranks them.
    pub(super) fn groups(&self) -> Vec<(&str, Vec<&str>)> {
        let mut out: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for resource in self.resources.iter().filter(|r| !r.group.is_empty()) {
            let versions = out.entry(&resource.group).or_default();
            for version in &resource.versions {
                if !versions.contains(&version.as_str()) {
                    versions.push(version);
                }
            }
        }
        for versions in out.values_mut() {
            versions.sort_by_key(|v| Reverse(age(v)));
        }
        let mut out: Vec<(&str, Vec<&str>)> = out.into_iter().collect();
        let rank = |group: &str| PRIORITIES.split_whitespace().position(|own| own == group);
        out.sort_by_key(|(group, _)| rank(group).unwrap_or(usize::MAX));
        out
    }

    /// Kinds of a group and version.
    pub(super) fn of<'c>(
        &'c self,
        group: &'c str,
        version: &'c str,
    ) -> impl Iterator<Item = &'c Resource> {
        self.resources
            .iter()
            .filter(move |r| r.group == group && r.versions.iter().any(|v| v == version))
    }
}

/// One line of the table.
fn builtin(line: &str) -> Option<Resource> {
    let words: Vec<&str> = line.split(' ').collect();
    let [
        group,
        version,
        kind,
        plural,
        scope,
        short,
        categories,
        prefix,
    ] = words.as_slice()
    else {
        return None;
    };
    let none = |text: &str| {
        if text == "-" {
            String::new()
        } else {
            text.to_owned()
        }
    };
    let many = |text: &str| {
        let words = text.split(',').filter(|w| *w != "-");
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let prefix = if *prefix == "-" { plural } else { prefix };
    Some(Resource {
        group: none(group),
        kind: (*kind).to_owned(),
        plural: (*plural).to_owned(),
        singular: kind.to_lowercase(),
        short: many(short),
        categories: many(categories),
        is_namespaced: *scope == "n",
        prefix: format!("/registry/{prefix}/"),
        versions: vec![(*version).to_owned()],
        ..Resource::default()
    })
}

/// Counts what is stored, and serves it in the versions that it has.
fn count(resource: &mut Resource, index: &Index) {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    let mut versions = BTreeSet::new();
    for live in index.range(index.below(resource.prefix.as_bytes())) {
        if matches!(
            live.kind.form,
            Form::Encrypted | Form::Broken | Form::Unknown
        ) {
            resource.closed += 1;
            continue;
        }
        let stored = live.kind.api_version.as_str();
        if live.place.length > LONGEST_VALUE {
            resource.long += 1;
        } else {
            *found.entry(stored).or_insert(0) += 1;
        }
        let served = served_version(stored, &resource.kind);
        let (group, version) = served.split_once('/').unwrap_or(("", served));
        if live.kind.kind == resource.kind && group == resource.group && is_label(version) {
            versions.insert(version);
        }
    }
    // What does not say what it is, is asked for its value.
    found.remove("");
    // Those that are served are among those that are counted by name, however many others there are.
    let mut found: Vec<(&str, usize)> = found.into_iter().collect();
    found.sort_by_key(|(stored, _)| {
        let (group, version) = stored.split_once('/').unwrap_or(("", stored));
        Reverse((group == resource.group, age(version)))
    });
    for (stored, count) in found {
        if resource.stored.len() < STORED && is_api_version(stored) {
            resource.stored.insert(stored.to_owned(), count);
        } else {
            resource.unnamed += count;
        }
    }
    if resource.custom.as_ref().is_some_and(|c| c.is_one) || versions.is_empty() {
        return;
    }
    let mut versions: Vec<String> = versions.into_iter().map(str::to_owned).collect();
    versions.sort_by_key(|v| Reverse(age(v)));
    versions.truncate(VERSIONS);
    resource.versions = versions;
}

/// The same objects as they were called before their kind moved to another group: what nothing here converts
/// can be asked for by its old name.
fn of_other_groups(resource: &mut Resource) -> Vec<Resource> {
    let mut out: Vec<Resource> = Vec::new();
    for stored in resource.stored.keys() {
        let Some((group, version)) = stored.split_once('/') else {
            continue;
        };
        let is_known =
            || kubernetes::kinds().any(|k| k == (stored.as_str(), resource.kind.as_str()));
        if group == resource.group || !is_known() {
            continue;
        }
        resource.elsewhere.push(stored.clone());
        match out.iter_mut().find(|other| other.group == group) {
            Some(other) => other.versions.push(version.to_owned()),
            None => out.push(Resource {
                group: group.to_owned(),
                versions: vec![version.to_owned()],
                // Whoever asks for all of them asks for the kind where it is now.
                categories: Vec::new(),
                ..resource.clone()
            }),
        }
    }
    let own: Vec<String> = resource.stored.keys().cloned().collect();
    for other in &mut out {
        other.versions.sort_by_key(|v| Reverse(age(v)));
        other.elsewhere = own
            .iter()
            .filter(|s| resource.is_served(s))
            .cloned()
            .collect();
    }
    out
}

/// What a definition makes; `None` where it does not hold together.
fn custom(definition: &Value) -> Option<Resource> {
    let spec = at(definition, "spec");
    let names = at(spec, "names");
    let own = |value: &Value, path: &str| text(value, path).to_owned();
    let (group, plural) = (own(spec, "group"), own(names, "plural"));
    let kind = own(names, "kind");
    if !group.contains('.')
        || ![&group, &plural, &kind]
            .into_iter()
            .all(|word| is_word(word))
    {
        return None;
    }
    let words = |path: &str| -> Vec<String> {
        let words = list(names, path).iter().filter_map(Value::as_str);
        let words = words.filter(|word| is_word(word));
        words.take(VERSIONS).map(str::to_owned).collect()
    };
    let mut said = Custom {
        definition: own(definition, "metadata.name"),
        is_one: text(spec, "conversion.strategy") != "Webhook",
        ..Custom::default()
    };
    let mut versions = Vec::new();
    let mut storage = None;
    let mut all: Vec<&Value> = list(spec, "versions")
        .iter()
        .filter(|version| is_label(text(version, "name")))
        .collect();
    // That which is stored counts most, and then those that clients prefer.
    all.sort_by_key(|v| Reverse((truth(v, "storage"), age(text(v, "name")))));
    for version in all.into_iter().take(VERSIONS) {
        let name = own(version, "name");
        if said.columns.contains_key(&name) {
            continue;
        }
        if truth(version, "storage") && storage.is_none() {
            storage = Some(name.clone());
        }
        let columns = list(version, "additionalPrinterColumns");
        said.columns
            .insert(name.clone(), Columns::new(columns.iter().map(column)));
        for field in list(version, "selectableFields").iter().take(VERSIONS) {
            let path = text(field, "jsonPath").trim_start_matches('.');
            said.selectable.push(path.to_owned());
        }
        if truth(version, "served") {
            versions.push(name);
        }
    }
    versions.sort_by_key(|v| Reverse(age(v)));
    if !said.is_one || versions.is_empty() {
        versions = storage.into_iter().collect();
    }
    let singular = match text(names, "singular") {
        singular if !is_word(singular) => kind.to_lowercase(),
        singular => singular.to_owned(),
    };
    (!versions.is_empty()).then(|| Resource {
        prefix: format!("/registry/{group}/{plural}/"),
        singular,
        short: words("shortNames"),
        categories: words("categories"),
        is_namespaced: text(spec, "scope") == "Namespaced",
        versions,
        custom: Some(said),
        group,
        plural,
        kind,
        ..Resource::default()
    })
}

/// Custom kinds whose definition is gone or can't be read: their objects say what they are.
fn orphans(index: &Index, taken: &BTreeSet<(String, String)>) -> Vec<Resource> {
    let mut out: Vec<Resource> = Vec::new();
    for live in index.live() {
        let said = name(live.key).unwrap_or_default();
        let Some((group, plural)) = said.resource.split_once('/') else {
            continue;
        };
        let prefix = format!("/registry/{group}/{plural}/");
        // Keys are sorted, so those of one kind stand together.
        if out.last().is_some_and(|r| r.prefix == prefix) {
            continue;
        }
        let own = live.kind.api_version.split_once('/');
        let is_own = own.is_some_and(|(own, version)| own == group && is_label(version));
        let kind = live.kind.kind.as_str();
        if !is_own
            || !group.contains('.')
            || ![group, plural, kind].into_iter().all(is_word)
            || taken.contains(&(group.to_owned(), plural.to_owned()))
        {
            continue;
        }
        if out.len() == CUSTOM {
            break;
        }
        out.push(Resource {
            group: group.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            singular: kind.to_lowercase(),
            is_namespaced: !said.namespace.is_empty(),
            prefix,
            custom: Some(Custom::default()),
            ..Resource::default()
        });
    }
    out
}

/// Is it a label of DNS, as versions are?
fn is_label(text: &str) -> bool {
    let ends = |c: Option<u8>| c.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() < 64
        && ends(text.bytes().next())
        && ends(text.bytes().next_back())
        && text.bytes().all(|b| b == b'-' || ends(Some(b)))
}

/// Is it a group of labels and a version?
fn is_api_version(text: &str) -> bool {
    let (group, version) = text.split_once('/').unwrap_or(("", text));
    is_label(version) && group.len() < 254 && (group.is_empty() || group.split('.').all(is_label))
}

/// Can it stand in a path, and in a name of what is served?
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() < 256
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
}

fn column(said: &Value) -> Column {
    let short = |field: &str| text(said, field).chars().take(LONGEST).collect::<String>();
    Column {
        name: short("name"),
        kind: short("type"),
        path: short("jsonPath"),
        priority: super::value::number(said, "priority"),
    }
}

/// How a version ranks: `v2` over `v1` over `v1beta2` over `v1beta1` over `v1alpha1` over words.
fn age(version: &str) -> (u8, u32, u32) {
    let word = || -> Option<(u8, u32, u32)> {
        let rest = version.strip_prefix('v')?;
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (major, rest) = rest.split_at(end);
        let major = major.parse().ok()?;
        for (stage, rank) in [("alpha", 1), ("beta", 2)] {
            if let Some(minor) = rest.strip_prefix(stage) {
                return Some((rank, major, minor.parse().ok()?));
            }
        }
        rest.is_empty().then_some((3, major, 0))
    };
    word().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_table_of_kinds_holds_together() {
        let all: Vec<Resource> = KINDS.lines().filter_map(builtin).collect();
        assert_eq!(all.len(), KINDS.lines().count());
        let known: BTreeSet<(String, String)> = kubernetes::kinds()
            .map(|(version, kind)| (version.to_owned(), kind.to_owned()))
            .collect();
        for resource in &all {
            let version = resource.api_version(&resource.versions[0]);
            let kind = (version, resource.kind.clone());
            assert!(known.contains(&kind), "{kind:?}");
        }
    }

    #[test]
    fn versions_rank_as_kubernetes_ranks_them() {
        let mut all = [
            "v1alpha1", "foo", "v10", "v1beta2", "v2", "v1", "v1beta1", "v",
        ];
        all.sort_by_key(|v| Reverse(age(v)));
        assert_eq!(
            all[..6],
            ["v10", "v2", "v1", "v1beta2", "v1beta1", "v1alpha1"]
        );
    }

    #[test]
    fn a_definition_that_does_not_hold_makes_nothing() {
        let good = json!({"metadata": {"name": "a.x.y"}, "spec": {
            "group": "x.y", "scope": "Namespaced", "names": {"plural": "a", "kind": "A"},
            "versions": [{"name": "v1", "served": true, "storage": true}, {"name": "v2", "served": true}]
        }});
        assert_eq!(custom(&good).unwrap().versions, ["v2", "v1"]);
        let mut hooked = good.clone();
        hooked["spec"]["conversion"] = json!({"strategy": "Webhook"});
        assert_eq!(custom(&hooked).unwrap().versions, ["v1"]);
        for (path, bad) in [
            ("/spec/group", json!("../x.y")),
            ("/spec/group", json!("nodots")),
            ("/spec/names/plural", json!(5)),
            ("/spec/versions", json!([])),
            (
                "/spec/versions/0",
                json!({"name": "v1/../../api", "served": true, "storage": true}),
            ),
        ] {
            let mut broken = good.clone();
            *broken.pointer_mut(path).unwrap() = bad;
            let made = custom(&broken);
            assert!(made.is_none_or(|r| r.versions == ["v2"]), "{path}");
        }
    }
}
