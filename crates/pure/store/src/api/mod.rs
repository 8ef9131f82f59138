//! A dead datastore as a read-only Kubernetes API: a request in, an answer out.
//!
//! What `kubectl get`, `describe`, `api-resources` and `explain` ask is answered as an API server would, one
//! file per subject. Deliberately absent: the listener and the token (`session`), the clock (`now` is given),
//! conversion between versions, and everything that writes.

mod builtin;
mod catalog;
mod columns;
mod discovery;
mod listing;
mod mask;
mod openapi;
mod path;
mod select;
mod status;
mod table;
mod value;

use jiff::Timestamp;
use serde_json::Value;

use crate::index::{Index, Live, Selection};
use catalog::{Catalog, Resource};
use defib_formats::datastore::{Place, Rows};
use listing::Form;
use path::{Named, Objects, Query};

pub use builtin::kind_named;
pub use listing::Pieces;
pub use status::Status;

/// Values, read out of the datastore.
pub trait Values: Sync {
    /// The rows behind.
    fn rows(&self) -> &dyn Rows;

    /// An object's JSON as an API server answers it, secrets and all.
    ///
    /// # Errors
    /// When it can't be shown, with a sentence.
    fn json(&self, place: Place, revision: u64) -> Result<Vec<u8>, String>;
}

/// A request, as HTTP says it.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// `GET`, and whatever else clients send.
    pub method: &'q str,
    /// The path, still with its percent signs.
    pub path: &'q str,
    /// What stands behind the question mark.
    pub query: &'q str,
    /// The forms that the client takes.
    pub accept: &'q str,
    /// The moment from which ages count.
    pub now: Timestamp,
}

/// What is answered.
pub struct Answer<'a> {
    /// HTTP's number.
    pub code: u16,
    /// Whether it is JSON; text otherwise.
    pub is_json: bool,
    /// Sentences for whoever asked, beside the answer.
    pub warnings: Vec<String>,
    /// The answer itself.
    pub body: Body<'a>,
}

/// The answer itself.
pub enum Body<'a> {
    /// All of it.
    Whole(Vec<u8>),
    /// A list of any length, in pieces.
    Pieces(Box<Pieces<'a>>),
}

/// A datastore, ready to be asked.
pub struct Api {
    index: Index,
    catalog: Catalog,
    show_secrets: bool,
}

impl Api {
    /// Reads what there is.
    pub fn new(values: &dyn Values, show_secrets: bool) -> Self {
        let index = Index::new(values.rows(), &Selection::default());
        let catalog = Catalog::new(&index, &|place| {
            let live = index.range(place..place + 1).next()?;
            let json = listing::json_of(values, &live).ok()?;
            serde_json::from_slice(&json).ok()
        });
        Self {
            index,
            catalog,
            show_secrets,
        }
    }

    /// Live keys.
    pub fn keys(&self) -> usize {
        self.index.len()
    }

    /// The latest revision.
    pub fn revision(&self) -> u64 {
        self.index.revision
    }

    /// Places of the datastore that are damaged.
    pub fn damages(&self) -> u64 {
        self.index.walked.damages
    }

    /// Answers.
    pub fn answer<'a>(&'a self, values: &'a dyn Values, question: &Question<'_>) -> Answer<'a> {
        self.answered(values, question)
            .unwrap_or_else(|status| refused(&status))
    }

    fn answered<'a>(
        &'a self,
        values: &'a dyn Values,
        question: &Question<'_>,
    ) -> Result<Answer<'a>, Status> {
        if !matches!(question.method, "GET" | "HEAD" | "OPTIONS") {
            return Err(Status::read_only(question.method));
        }
        let json = |value: Value| Ok(whole(value.to_string().into_bytes()));
        match path::named(question.path).ok_or_else(Status::no_path)? {
            Named::Root => json(discovery::root()),
            Named::Core => json(discovery::core()),
            Named::Groups => json(discovery::groups(&self.catalog)),
            Named::Group(group) => json(discovery::group(&self.catalog, &group)?),
            Named::Resources(group, version) => {
                json(discovery::resources(&self.catalog, &group, &version)?)
            }
            Named::Version => json(discovery::version()),
            Named::Health => Ok(Answer {
                is_json: false,
                ..whole(b"ok".to_vec())
            }),
            Named::OpenApi => json(openapi::index(&self.catalog)),
            Named::OpenApiOf(group, version) => json(openapi::document(
                &self.catalog,
                &group,
                &version,
                &openapi::Definitions {
                    read: &|definition| self.definition(values, definition),
                    show_secrets: self.show_secrets,
                },
            )?),
            Named::Objects(wanted) => self.objects(values, question, &wanted),
        }
    }

    fn objects<'a>(
        &'a self,
        values: &'a dyn Values,
        question: &Question<'_>,
        wanted: &Objects,
    ) -> Result<Answer<'a>, Status> {
        let resource = self
            .catalog
            .find(&wanted.group, &wanted.version, &wanted.plural)
            .filter(|r| wanted.namespace.is_empty() || r.is_namespaced)
            .ok_or_else(Status::no_path)?;
        let version = resource.versions.iter().find(|v| **v == wanted.version);
        let version = version.ok_or_else(Status::no_path)?;
        let query = Query::parse(question.query);
        let form = Form::of(question.accept, query.get("includeObject"))
            .ok_or_else(Status::not_acceptable)?;
        let show = listing::Show::new(resource, version, form, question.now, self.show_secrets);
        if wanted.name.is_empty() {
            return self.list(values, show, wanted, &query);
        }
        // Other parts are no fields of an object, or nothing that a datastore holds.
        match wanted.part.as_str() {
            "" | "status" => {}
            "log" | "exec" | "attach" | "portforward" | "proxy" => {
                return Err(Status::bad_request(format!(
                    "a datastore has no {} of {}: nothing of this cluster runs here",
                    wanted.part, resource.plural
                )));
            }
            _ => return Err(Status::no_path()),
        }
        if resource.is_namespaced && wanted.namespace.is_empty() {
            return Err(Status::no_path());
        }
        let key = key_of(resource, &wanted.namespace, &wanted.name);
        let places = self.index.below(&key);
        let live = self.index.range(places).next().filter(|l| l.key == key);
        let live = live.ok_or_else(|| Status::no_object(resource, &wanted.name))?;
        if let Some(stored) = show.other_version(&live) {
            return Err(Status::bad_request(format!(
                "{} \"{}\" is stored as {stored}, and nothing here converts it",
                resource.qualified(),
                wanted.name
            )));
        }
        let json = listing::json_of(values, &live)
            .map_err(|why| Status::unreadable(self.why(&live, &why)))?;
        let shown = show.one(&json).map_err(Status::unreadable)?;
        Ok(Answer {
            warnings: show.masked().map(str::to_owned).into_iter().collect(),
            ..whole(shown)
        })
    }

    /// A sentence that names what can't be shown.
    fn why(&self, live: &Live<'_>, why: &str) -> String {
        format!(
            "{} can't be shown: {why}",
            String::from_utf8_lossy(live.key)
        )
    }

    fn list<'a>(
        &'a self,
        values: &'a dyn Values,
        show: listing::Show<'a>,
        wanted: &Objects,
        query: &Query,
    ) -> Result<Answer<'a>, Status> {
        let resource = show.resource;
        let (labels, fields) = (query.get("labelSelector"), query.get("fieldSelector"));
        let selector = select::Selector::parse(labels, fields, resource)?;
        if query.is_true("watch") {
            // Nothing ever happens to a dead cluster: the stream ends as soon as it begins.
            return Ok(whole(Vec::new()));
        }
        let asked = query.get("resourceVersion");
        let is_exact = query.get("resourceVersionMatch") == "Exact";
        if is_exact && asked != self.revision().to_string() {
            return Err(Status::expired(asked, self.revision()));
        }
        let prefix = key_of(resource, &wanted.namespace, "");
        let places = self.index.below(&prefix);
        let limit = match query.get("limit") {
            "" => 0,
            limit => limit
                .parse::<usize>()
                .map_err(|_| Status::bad_request(format!("limit is no number: {limit:?}")))?,
        };
        let begin = match query.get("continue") {
            "" => places.start,
            token => {
                let key = listing::continued(token, &prefix).ok_or_else(|| {
                    Status::bad_request("invalid continue token: it is none of this list's")
                })?;
                self.index.behind(&key).clamp(places.start, places.end)
            }
        };
        let mut warnings = show.not_shown();
        if self.damages() > 0 {
            warnings.push("the datastore is damaged: objects may be missing".to_owned());
        }
        warnings.extend(show.masked().map(str::to_owned));
        let pieces = Pieces::new(self, values, show, selector, begin..places.end, limit);
        Ok(Answer {
            warnings,
            body: Body::Pieces(Box::new(pieces)),
            ..whole(Vec::new())
        })
    }

    /// The definition of this name.
    fn definition(&self, values: &dyn Values, name: &str) -> Option<Value> {
        let mut own = self.catalog.resources.iter();
        let definitions =
            own.find(|r| r.custom.is_none() && r.kind == "CustomResourceDefinition")?;
        let key = key_of(definitions, "", name);
        let lives = self.index.range(self.index.below(&key));
        let live = lives.take(1).find(|live| live.key == key)?;
        let json = listing::json_of(values, &live).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

/// The key of an object, or, without a name, what keys of its kind and namespace begin with.
fn key_of(resource: &Resource, namespace: &str, name: &str) -> Vec<u8> {
    let mut key = resource.prefix.clone();
    if !namespace.is_empty() {
        key.push_str(namespace);
        key.push('/');
    }
    key.push_str(name);
    key.into_bytes()
}

/// An answer that is there.
fn whole(body: Vec<u8>) -> Answer<'static> {
    Answer {
        code: 200,
        is_json: true,
        warnings: Vec::new(),
        body: Body::Whole(body),
    }
}

/// An answer that says why there is none.
pub fn refused(status: &Status) -> Answer<'static> {
    Answer {
        code: status.code,
        ..whole(status.json())
    }
}

#[cfg(test)]
mod tests;
