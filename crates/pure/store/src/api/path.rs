//! A request's path and query, read as the API server reads them.
//!
//! Source: apiserver `pkg/endpoints/request/requestinfo.go`. Deliberately absent: whether what is named exists.

/// Segments of the longest path that means anything: `/apis/G/V/namespaces/NS/PLURAL/NAME/SUB`.
const DEEPEST: usize = 8;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// `/`: the paths that there are.
    Root,
    /// `/api`: the versions of the group without a name.
    Core,
    /// `/apis`: all groups.
    Groups,
    /// `/apis/GROUP`.
    Group(String),
    /// `/api/v1`, `/apis/GROUP/VERSION`: what it serves.
    Resources(String, String),
    /// `/version`.
    Version,
    /// `/healthz`, `/readyz`, `/livez` and what is below them.
    Health,
    /// `/openapi/v3`: the documents that there are.
    OpenApi,
    /// `/openapi/v3/api/v1`, `/openapi/v3/apis/GROUP/VERSION`.
    OpenApiOf(String, String),
    /// Objects, or one.
    Objects(Objects),
}

/// Objects that a path names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Objects {
    /// Empty for the core.
    pub(super) group: String,
    pub(super) version: String,
    /// As in `pods`.
    pub(super) plural: String,
    /// Empty for all.
    pub(super) namespace: String,
    /// Empty for a list.
    pub(super) name: String,
    /// As in `status`; empty for the object itself.
    pub(super) part: String,
}

/// Reads a path; `None` where it can't mean anything here.
pub(super) fn named(path: &str) -> Option<Named> {
    let path = path.strip_prefix('/')?;
    let mut words = Vec::new();
    for word in path.split('/') {
        if words.len() == DEEPEST {
            return None;
        }
        words.push(decoded(word, false)?);
    }
    // A slash at the end changes nothing.
    while words.len() > 1 && words.last().is_some_and(String::is_empty) {
        words.pop();
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let own = |text: &str| text.to_owned();
    Some(match words.as_slice() {
        [""] => Named::Root,
        ["api"] => Named::Core,
        ["apis"] => Named::Groups,
        ["version"] => Named::Version,
        ["healthz" | "readyz" | "livez", ..] => Named::Health,
        ["openapi", "v3"] => Named::OpenApi,
        ["openapi", "v3", "api", version] => Named::OpenApiOf(String::new(), own(version)),
        ["openapi", "v3", "apis", group, version] => Named::OpenApiOf(own(group), own(version)),
        ["apis", group] => Named::Group(own(group)),
        ["api", version] => Named::Resources(String::new(), own(version)),
        ["apis", group, version] => Named::Resources(own(group), own(version)),
        ["api", version, rest @ ..] => Named::Objects(objects("", version, rest)?),
        ["apis", group, version, rest @ ..] => Named::Objects(objects(group, version, rest)?),
        _ => return None,
    })
}

fn objects(group: &str, version: &str, rest: &[&str]) -> Option<Objects> {
    if group.is_empty() && version.is_empty() || rest.iter().any(|word| word.is_empty()) {
        return None;
    }
    let mut out = Objects {
        group: group.to_owned(),
        version: version.to_owned(),
        ..Objects::default()
    };
    // A namespace's own parts look like what is in it.
    let rest = match rest {
        ["namespaces", namespace, plural, rest @ ..]
            if !matches!(*plural, "status" | "finalize") =>
        {
            out.namespace = (*namespace).to_owned();
            out.plural = (*plural).to_owned();
            rest
        }
        [plural, rest @ ..] => {
            out.plural = (*plural).to_owned();
            rest
        }
        [] => return None,
    };
    match rest {
        [] => {}
        [name] => out.name = (*name).to_owned(),
        [name, part] => {
            out.name = (*name).to_owned();
            out.part = (*part).to_owned();
        }
        _ => return None,
    }
    Some(out)
}

/// The pairs of a query; what is no text is left out, of a name that stands twice the first counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

/// Pairs that are read; nobody sends more than a dozen.
const PAIRS: usize = 64;

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).take(PAIRS);
        Self(
            pairs
                .filter_map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    Some((decoded(name, true)?, decoded(value, true)?))
                })
                .collect(),
        )
    }

    /// Empty where it is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(n, _)| n == name);
        found.map_or("", |(_, value)| value)
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "1" | "True" | "TRUE" | "t" | "T")
    }
}

/// Undoes percent signs; `None` for what is no text, or holds a NUL.
fn decoded(text: &str, form: bool) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    let hex = |byte: Option<u8>| char::from(byte?).to_digit(16);
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let (high, low) = (hex(bytes.next())?, hex(bytes.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' if form => b' ',
            other => other,
        });
    }
    String::from_utf8(out).ok().filter(|t| !t.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str) -> Option<Objects> {
        match named(path)? {
            Named::Objects(objects) => Some(objects),
            _ => None,
        }
    }

    #[test]
    fn paths_name_what_they_name_to_an_api_server() {
        for (path, want) in [
            ("/api/v1/pods", ["", "v1", "pods", "", "", ""]),
            ("/api/v1/namespaces", ["", "v1", "namespaces", "", "", ""]),
            (
                "/api/v1/namespaces/a",
                ["", "v1", "namespaces", "", "a", ""],
            ),
            (
                "/api/v1/namespaces/a/status",
                ["", "v1", "namespaces", "", "a", "status"],
            ),
            (
                "/api/v1/namespaces/a/pods/",
                ["", "v1", "pods", "a", "", ""],
            ),
            (
                "/api/v1/namespaces/a/pods/p/log",
                ["", "v1", "pods", "a", "p", "log"],
            ),
            (
                "/apis/apps/v1/namespaces/a/deployments/d",
                ["apps", "v1", "deployments", "a", "d", ""],
            ),
            (
                "/apis/g/v1/clusterroles/system%3Anode",
                ["g", "v1", "clusterroles", "", "system:node", ""],
            ),
        ] {
            let o = found(path).unwrap();
            let got = [o.group, o.version, o.plural, o.namespace, o.name, o.part];
            assert_eq!(got.each_ref().map(String::as_str), want, "{path}");
        }
    }

    #[test]
    fn hostile_paths_name_nothing_or_a_name_that_nothing_has() {
        // A slash that was hidden stays in the name: no key of an object has one there.
        let sly = found("/api/v1/namespaces/a/pods/%2e%2e%2fsecrets").unwrap();
        assert_eq!(sly.name, "../secrets");
        assert_eq!(found("/api/v1/%2e%2e/secrets").unwrap().plural, "..");
        let long = format!("/api/v1/{}", "pods/".repeat(100_000));
        for path in [
            "",
            "x",
            "/api/v1/pods/%ff",
            "/api/v1/pods/%0",
            "/api/v1/pods/%00",
            "/api/v1//pods",
            &long,
            "/metrics",
        ] {
            assert_eq!(named(path), None, "{}", &path[..path.len().min(40)]);
        }
    }

    #[test]
    fn a_query_is_pairs() {
        let query = Query::parse("labelSelector=a%3Db%2Cc&watch=1&limit=5&limit=6&bad=%zz&x");
        assert_eq!(query.get("labelSelector"), "a=b,c");
        assert_eq!(
            (query.get("limit"), query.get("bad"), query.get("x")),
            ("5", "", "")
        );
        assert!(query.is_true("watch") && !query.is_true("limit"));
    }
}
