//! Secrets by their shape: tokens with a known prefix, keys in PEM, credentials in addresses.
//!
//! One automaton over short literals finds places worth a look, for shapes and names (`names`) alike; a
//! regular expression, anchored at the place, decides. Deliberately absent: entropy guesses, which take
//! hashes and ids with them.

use std::ops::Range;
use std::sync::LazyLock;

use rayon::prelude::*;
use regex::bytes::Regex;

use crate::literals::Literals;

use super::names::Names;
use super::packed;
use super::tokens::Strings;
use super::words::WORDS;
use super::{Cut, base64};

struct Shape {
    what: &'static str,
    /// Literals at which the pattern begins, in any case.
    anchors: &'static [&'static str],
    /// Read from the literal on; group 1 is what goes.
    pattern: &'static str,
    /// How many bytes the pattern may span.
    span: usize,
}

static SHAPES: LazyLock<Vec<(Shape, Regex)>> = LazyLock::new(|| {
    table()
        .into_iter()
        .filter_map(|s| Some((Regex::new(&format!(r"\A(?:{})", s.pattern)).ok()?, s)))
        .map(|(r, s)| (s, r))
        .collect()
});

/// Base64 of "PRIVATE KEY", of "AGE-SECRET-KEY-", of `{"alg":"` and of `{"auths":`, wherever they fall
/// in groups of three bytes: what holds them is a secret as a whole.
const ENCODED: &[(&str, &str)] = &[
    ("private-key", "UFJJVkFURSBLRV"),
    ("private-key", "BSSVZBVEUgS0VZ"),
    ("private-key", "QUklWQVRFIEtFW"),
    ("age-key", "QUdFLVNFQ1JFVC1LRVkt"),
    ("age-key", "FHRS1TRUNSRVQtS0VZL"),
    ("age-key", "BR0UtU0VDUkVULUtFWS"),
    ("jwt", "ZXlKaGJHY2lPa"),
    ("docker-auth", "eyJhdXRocyI6"),
    ("docker-auth", "eyJhdXRocyI6e"),
    ("docker-auth", "ewogICJhdXRocy"),
    ("docker-auth", "ewoJImF1dGhzI"),
    ("tunnel-token", "eyJhIjoi"),
];

/// What a command that reads or decodes a Secret printed: the word alone on the next line, or what stands
/// before the pattern that is given.
macro_rules! decoded {
    ($after:literal) => {
        Shape {
            what: "decoded-secret",
            anchors: &["get secret", "base64 -d", "base64 --decode"],
            pattern: concat!(
                r"(?:get secrets?[ /][^\r\n]{0,500}?(?:jsonpath|template|custom-columns|jq)|base64 (?:-d|-D|--decode))",
                r"[^\r\n\\]{0,300}(?:(?:\\+r)?\\+n|\r?\n)[ \t]*(?:> )?",
                r"((?:[^\s\x22\\$#]|[$#][^\s\x22\\])[^\s\x22\\]*)",
                $after
            ),
            span: 1_400,
        }
    };
}

fn table() -> Vec<Shape> {
    vec![
        Shape {
            what: "private-key",
            anchors: &["-----BEGIN "],
            pattern: r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----([^\x22]+?)(?:-----END|\\*\x22|\z)",
            span: 24_000,
        },
        Shape {
            what: "k3s-token",
            anchors: &["K10"],
            pattern: r"(K10[0-9a-f]{64}(?:::[A-Za-z0-9_.\-]+(?::[^\s\x22\x27\\,;]+)?)?)",
            span: 600,
        },
        Shape {
            what: "jwt",
            anchors: &["eyJ"],
            pattern: r"(eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)*)",
            span: 16_000,
        },
        Shape {
            what: "age-key",
            anchors: &["AGE-SECRET-KEY-"],
            pattern: r"((?i)AGE-SECRET-KEY-[A-Z0-9\-]{10,})",
            span: 300,
        },
        Shape {
            what: "provider-token",
            anchors: &[
                "ghp_",
                "gho_",
                "ghs_",
                "ghu_",
                "ghr_",
                "github_pat_",
                "glpat-",
                "glptt-",
                "glrt-",
                "gldt-",
                "glcbt-",
                "glagent-",
                "gloas-",
                "xoxb-",
                "xoxp-",
                "xoxa-",
                "xoxe-",
                "xoxs-",
                "xapp-",
                "npm_",
                "dckr_pat_",
                "dckr_oat_",
                "hvs.",
                "hvb.",
                "hvr.",
                "sk_live_",
                "sk_test_",
                "rk_live_",
                "sk-ant-",
                "sk-proj-",
                "shpat_",
                "shpss_",
                "pypi-",
                "tskey-",
                "dop_v1_",
                "whsec_",
                "GOCSPX-",
                "ya29.",
                "AIza",
                "lin_api_",
                "SG.",
                "ATATT3",
                "glc_",
                "hf_",
            ],
            pattern: r"((?:gh[posur]_|github_pat_|gl(?:pat|ptt|rt|dt|cbt|agent|oas)-|xox[bpaes]-|xapp-|npm_|dckr_[po]at_|hv[sbr]\.|[sr]k_(?:live|test)_|sk-ant-|sk-proj-|shp(?:at|ss)_|pypi-|tskey-|dop_v1_|whsec_|GOCSPX-|ya29\.|AIza|lin_api_|ATATT3|glc_|hf_)[A-Za-z0-9_.=\-]{15,}[A-Za-z0-9_=\-]|SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,})",
            span: 600,
        },
        Shape {
            what: "aws-key",
            anchors: &["AKIA", "ASIA"],
            pattern: r"((?:AKIA|ASIA)[A-Z0-9]{16})",
            span: 24,
        },
        Shape {
            what: "webhook",
            anchors: &["hooks.slack.com/", "/api/webhooks/"],
            pattern: r"(?:hooks\.slack\.com/(?:services|workflows|triggers)/|/api/webhooks/)([A-Za-z0-9_/\-]{16,})",
            span: 400,
        },
        Shape {
            // What stands for the right to fetch in an address that somebody signed: Amazon's, Google's, Azure's,
            // CloudFront's and Swift's. Loggers write `&` as `\\u0026`, pages as `&amp;`; within another address
            // it is escaped.
            what: "url-signature",
            anchors: &[
                "x-amz-signature",
                "x-amz-security-token",
                "x-goog-signature",
                "?signature=",
                "&signature=",
                "u0026signature=",
                "amp;signature=",
                "%26signature%3d",
                "?sig=",
                "&sig=",
                "u0026sig=",
                "amp;sig=",
                "%26sig%3d",
                "temp_url_sig=",
            ],
            pattern: r"(?i)(?:x-(?:amz|goog)-signature|x-amz-security-token|[?&]sig(?:nature)?|(?:u0026|amp;|%26)sig(?:nature)?|temp_url_sig)(?:=|%3d)([a-z0-9%~._+/=\-]{8,})",
            span: 4_000,
        },
        Shape {
            what: "bot-token",
            anchors: &[":AA"],
            pattern: r":(AA[A-Za-z0-9_\-]{32,})",
            span: 80,
        },
        Shape {
            what: "authorization",
            anchors: &["authorization", "bearer ", "basic "],
            pattern: r"(?i)(?:authorization[\\\x22\x27]*\s*[:=]\s*[\\\x22\x27\[]*\s*(?:basic|bearer|token|digest|apikey|aws4-hmac-sha256)?|bearer|basic)[\s:]+[\\\x22\x27]*([A-Za-z0-9._~+/=:\-]{12,})",
            span: 16_000,
        },
        Shape {
            what: "cookie",
            anchors: &["cookie:"],
            pattern: r"(?i)cookie:\s*([^\r\n\x22\x27\\]{4,})",
            span: 8_000,
        },
        Shape {
            what: "docker-auth",
            anchors: &["\"auth\"", "\\\"auth\\\"", "auth:", "auth ="],
            pattern: r"[\\\x22]*auth[\\\x22]*\s*[:=]\s*[\\\x22\x27]*([A-Za-z0-9+/=]{12,})",
            span: 2_000,
        },
        Shape {
            // A flag and its value on two lines of a unit or of a continued command.
            what: "continued-argument",
            anchors: &[
                "token' \\",
                "token \\",
                "password' \\",
                "password \\",
                "secret-key' \\",
                "secret-key \\",
                "vpn-auth' \\",
                "vpn-auth \\",
            ],
            pattern: r"^(?:token|password|secret-key|vpn-auth)\x27?[ \t]+\\\r?\n[ \t]*[\x27\x22]?([^\s\x27\x22\\\-][^\s\x27\x22\\]*)",
            span: 400,
        },
        Shape {
            what: "netrc",
            anchors: &["login "],
            pattern: r"login\s+\S+\s+password\s+([^\s\x22\\]+)",
            span: 400,
        },
        Shape {
            what: "program-user",
            anchors: &["curl ", "etcdctl "],
            pattern: r"(?:curl|etcdctl) [^\r\n|;]{0,300}?(?:-u|--user)[= ]?[\x22\x27\\]*[^\s:\x22\x27]{1,80}:([^\s\x22\x27\\]+)",
            span: 800,
        },
        Shape {
            // Options of programs that take a password on their command line.
            what: "program-password",
            anchors: &[
                "sshpass ",
                "login ",
                "redis-cli ",
                "ldapsearch ",
                "ldapwhoami ",
                "mongo ",
                "mongosh ",
            ],
            pattern: r"(?:sshpass\s|login\s|redis-cli\s|ldap[a-z]+\s|mongo(?:sh)?\s)(?:[^\r\n|;]{0,300}?\s)?(?:-[pawW]|--pass)[= ]{0,2}[\x22\x27\\]*([^\s\-\x22\x27\\][^\s\x22\x27\\]*)",
            span: 800,
        },
        Shape {
            // Written together with its option only: by itself the option asks for it.
            what: "program-password",
            anchors: &["mysql", "mariadb"],
            pattern: r"(?:mysql|mariadb)[a-z\-]*\s(?:[^\r\n|;]{0,300}?\s)?-p[\x22\x27\\]*([^\s\x22\x27\\]+)",
            span: 800,
        },
        Shape {
            what: "program-password",
            anchors: &["smbclient ", "rpcclient "],
            pattern: r"(?:smb|rpc)client [^\r\n|;]{0,300}?-U[= ]?[\x22\x27\\]*[^\s%\x22\x27]{1,80}%([^\s\x22\x27\\]+)",
            span: 800,
        },
        Shape {
            // What is handed to a program that seals, packs or logs in is meant to be secret.
            what: "piped-secret",
            anchors: &["echo ", "printf "],
            pattern: r"(?:echo|printf)\s+(?:-[neE]+\s+|[\x22\x27\\]*%s(?:\\+n)?[\x22\x27\\]*\s+)*[\x22\x27\\]*([^\r\n|\x22\x27\\$][^\r\n|\x22\x27\\]*?)[\x22\x27\\]*\s*\|\s*(?:sudo\s+)?(?:kubeseal|base64|sops|age|openssl\s+passwd|htpasswd|chpasswd|passwd|vault|(?:docker|podman|nerdctl|helm)\s[^\r\n|;]{0,80}?login|kubectl\s+create\s+secret)",
            span: 1_200,
        },
        decoded!(r"(?:[ \t]*(?:\\|\r|\n|\x22|\z))"),
        // Nothing ends the answer: the next prompt stands right behind it.
        decoded!(r"\S*[#$%] "),
        Shape {
            what: "password-hash",
            anchors: &[
                "$2a$", "$2b$", "$2y$", "$apr1$", "$argon2", "$5$", "$6$", "$y$",
            ],
            pattern: r"(\$(?:2[aby]|apr1|argon2[id]{1,2}|[56y])\$[./A-Za-z0-9$,=+]{16,})",
            span: 300,
        },
        Shape {
            // kubeadm's and k3s's bootstrap tokens, where the text says that it is one.
            what: "bootstrap-token",
            anchors: &["bootstrap", "join"],
            pattern: r"(?i:bootstrap|join)[^\r\n]{0,80}?[\s\x22\x27=:]([a-z0-9]{6}\.[a-z0-9]{16})(?:[^a-z0-9]|\z)",
            span: 140,
        },
    ]
}

#[derive(Clone, Copy)]
enum Source {
    Url,
    Dsn,
    Shape(usize),
    Encoded(usize),
    Packed(usize),
    Applied,
    Name,
}

static ANCHORS: LazyLock<Option<(Literals, Vec<Source>)>> = LazyLock::new(|| {
    let mut literals = Vec::new();
    let mut sources = Vec::new();
    for (i, (shape, _)) in SHAPES.iter().enumerate() {
        for anchor in shape.anchors {
            literals.push(*anchor);
            sources.push(Source::Shape(i));
        }
    }
    literals.extend(["://", "@tcp(", "@unix("]);
    sources.extend([Source::Url, Source::Dsn, Source::Dsn]);
    for (i, (_, literal)) in ENCODED.iter().enumerate() {
        literals.push(literal);
        sources.push(Source::Encoded(i));
    }
    for (i, begin) in packed::BEGINS.iter().enumerate() {
        literals.push(begin);
        sources.push(Source::Packed(i));
    }
    literals.push(packed::WRANGLER);
    sources.push(Source::Applied);
    for word in WORDS {
        literals.push(word);
        sources.push(Source::Name);
    }
    Some((Literals::new(literals, true)?, sources))
});

/// Bytes that one thread searches at a time.
const CHUNK: usize = 4 << 20;

pub(super) fn cuts(bytes: &[u8], strings: Option<&Strings<'_>>) -> Vec<Cut> {
    if bytes.len() <= CHUNK {
        return search(bytes, 0..bytes.len(), strings);
    }
    let starts: Vec<usize> = (0..bytes.len()).step_by(CHUNK).collect();
    let found: Vec<Vec<Cut>> = starts
        .par_iter()
        .map(|start| search(bytes, *start..(start + CHUNK).min(bytes.len()), strings))
        .collect();
    found.into_iter().flatten().collect()
}

/// What is to go for literals that begin in this range; what stands around them may lie outside of it.
fn search(bytes: &[u8], range: Range<usize>, strings: Option<&Strings<'_>>) -> Vec<Cut> {
    let Some((literals, sources)) = &*ANCHORS else {
        return Vec::new();
    };
    let mut out: Vec<Cut> = Vec::new();
    let mut names = Names::new(strings);
    let (mut blob, mut packed) = (0, 0);
    for hit in literals.find(bytes, range) {
        match sources.get(hit.literal) {
            Some(Source::Shape(i)) => {
                if let Some((shape, regex)) = SHAPES.get(*i) {
                    shaped(bytes, hit.start, shape, regex, &mut out);
                }
            }
            Some(Source::Url) => url(bytes, hit.end, &mut out),
            Some(Source::Dsn) => dsn(bytes, hit.start, &mut out),
            Some(Source::Encoded(i)) => {
                if let Some((what, literal)) = ENCODED.get(*i)
                    && hit.start >= blob
                    && bytes.get(hit.start..hit.end) == Some(literal.as_bytes())
                {
                    let range = base64::run(bytes, hit.start);
                    blob = range.end;
                    if range.len() >= 24 {
                        out.push(Cut {
                            range,
                            what,
                            quoted: false,
                        });
                    }
                }
            }
            Some(Source::Packed(i)) => {
                if let Some(begin) = packed::BEGINS.get(*i) {
                    packed::cut(bytes, hit.start, begin, &mut packed, &mut out);
                }
            }
            Some(Source::Applied) => {
                names.told(bytes, hit.start, hit.end, "last-applied", &mut out);
            }
            Some(Source::Name) => {
                let length = hit.end - hit.start;
                names.look(bytes, hit.start, length, &mut out);
            }
            None => {}
        }
    }
    out
}

/// `://user:password@host`, `://TOKEN@host`. Addresses are frequent, so this is no regular expression.
fn url(bytes: &[u8], at: usize, out: &mut Vec<Cut>) {
    let window = bytes
        .get(at..(at + 500).min(bytes.len()))
        .unwrap_or_default();
    let end = window
        .iter()
        .position(|b| b.is_ascii_whitespace() || matches!(b, b'/' | b'"' | b'\'' | b'<' | b'\\'))
        .unwrap_or(window.len());
    let authority = window.get(..end).unwrap_or_default();
    // The last one: a password may hold an `@` itself.
    let Some(host) = memchr::memrchr(b'@', authority) else {
        return;
    };
    let user = authority.get(..host).unwrap_or_default();
    let range = match memchr::memchr(b':', user) {
        Some(colon) => colon + 1..host,
        None if user.len() >= 20 => 0..host,
        None => return,
    };
    out.push(Cut {
        range: at + range.start..at + range.end,
        what: "url-credentials",
        quoted: false,
    });
}

/// `user:password@tcp(host)`: MySQL's address has no scheme; what is secret stands before the mark.
fn dsn(bytes: &[u8], at: usize, out: &mut Vec<Cut>) {
    let head = bytes.get(at.saturating_sub(300)..at).unwrap_or_default();
    let word = head
        .iter()
        .rposition(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'='))
        .map_or(0, |i| i + 1);
    let pair = head.get(word..).unwrap_or_default();
    if let Some(colon) = memchr::memchr(b':', pair)
        && memchr::memmem::find(pair, super::MARK).is_none()
    {
        out.push(Cut {
            range: at - (pair.len() - colon - 1)..at,
            what: "url-credentials",
            quoted: false,
        });
    }
}

fn shaped(bytes: &[u8], at: usize, shape: &Shape, regex: &Regex, out: &mut Vec<Cut>) {
    let window = bytes
        .get(at..(at + shape.span).min(bytes.len()))
        .unwrap_or_default();
    if let Some(group) = regex.captures(window).and_then(|c| c.get(1))
        && !super::is_mark(group.as_bytes())
    {
        let mut end = at + group.end();
        // A key whose end is missing goes on to the end of its text.
        if shape.what == "private-key" && group.end() == window.len() {
            end = end.min(bytes.len());
        }
        out.push(Cut {
            range: at + group.start()..end,
            what: shape.what,
            quoted: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pattern that does not compile would be left out in silence, and secrets with it.
    #[test]
    fn every_pattern_compiles() {
        assert_eq!(SHAPES.len(), table().len());
        assert!(ANCHORS.is_some());
    }
}
