//! The words in names that make a value a secret, and those that take it back.
//!
//! Deliberately absent: where names stand in a text (`names`).

/// Pieces of names that are worth a look; `secret_name` decides.
pub(super) const WORDS: &[&str] = &[
    "pass",
    "token",
    "secret",
    "credential",
    "pwd",
    "psk",
    "_pw",
    "bindpw",
    "rootpw",
    "apikey",
    "accesskey",
    "privatekey",
    "sharedkey",
    "accountkey",
    "signingkey",
    "masterkey",
    "encryptionkey",
    "hmackey",
    "_key",
    "-key",
    "keydata",
    "_pat",
    "_auth",
    "dockerc",
    "cookie",
    "sig=",
    "authkey",
    "joinkey",
];

/// Ends of names, in lower case and without separators.
const ENDS: &[&str] = &[
    "password",
    "passwords",
    "passwd",
    "passwort",
    "passphrase",
    "passcode",
    "passwordhash",
    "apikey",
    "apikeys",
    "accesskey",
    "secretkey",
    "privatekey",
    "encryptionkey",
    "decryptionkey",
    "signingkey",
    "masterkey",
    "sessionkey",
    "sharedkey",
    "accountkey",
    "storagekey",
    "authkey",
    "joinkey",
    "appkey",
    "hmackey",
    "jwtkey",
    "keydata",
    "token",
    "credential",
    "credentials",
    "dockerconfigjson",
    "dockercfg",
    "clientsecret",
    "appsecret",
    "sharedsecret",
    "consumersecret",
    "webhooksecret",
    "jwtsecret",
    "cookiesecret",
    "sessionsecret",
    "secretvalue",
    "bindpw",
    "rootpw",
];

/// Last words of names that are secrets only as words of their own.
const LAST: &[&str] = &["pass", "pwd", "psk", "pw", "pat", "secret", "cookie"];

/// Last words that turn a secret's name into a name about the secret.
const ABOUT: &[&str] = &[
    "name",
    "names",
    "file",
    "files",
    "path",
    "dir",
    "url",
    "uri",
    "host",
    "endpoint",
    "ttl",
    "seconds",
    "enabled",
    "type",
    "length",
    "issuer",
    "audience",
    "namespace",
    "ref",
    "id",
    "key",
    "version",
    "hash",
    "algorithm",
    "policy",
    "provider",
    "store",
    "mount",
    "expiry",
    "expiration",
    "count",
    "max",
    "min",
    "user",
    "username",
    "class",
    "mode",
    "format",
    "source",
];

/// Keys in environment variables that are no secrets.
const OPEN_KEYS: &[&str] = &[
    "public",
    "cache",
    "primary",
    "foreign",
    "label",
    "topology",
    "partition",
    "sort",
    "host",
    "annotation",
    "config",
    "routing",
    "group",
    "shard",
    "hot",
];

/// Says of a whole name whether its value is a secret.
pub(super) fn secret_name(name: &str) -> bool {
    let name = name.trim_end_matches(['.', '-', '_']);
    let lower = name.to_ascii_lowercase();
    let bare = lower.trim_end_matches(|c: char| c.is_ascii_digit());
    let bare = bare.trim_end_matches(['.', '-', '_']);
    let flat: String = bare.chars().filter(char::is_ascii_alphanumeric).collect();
    if ENDS.iter().any(|e| flat.ends_with(e)) {
        return true;
    }
    let words: Vec<&str> = bare
        .split(['_', '-', '.'])
        .filter(|w| !w.is_empty())
        .collect();
    let Some(last) = words.last() else {
        return false;
    };
    if LAST.contains(last) {
        // `tls-secret`, `image-pull-secret`: these name a Secret object.
        let before = words.len().checked_sub(2).and_then(|i| words.get(i));
        return !(*last == "secret"
            && before.is_some_and(|w| matches!(*w, "tls" | "ssl" | "pull")));
    }
    if matches!(flat.as_str(), "sig" | "auth") {
        return name == "sig" || name.starts_with('_');
    }
    // `dbPass`: the last hump is a word of its own. Not so `tlsSecret`, which names a Secret object.
    if name.ends_with("Pass") || name.ends_with("Pwd") || name.ends_with("Psk") {
        return true;
    }
    // Environment variables say it anywhere: TOKEN_FOR_GIT, SECRET_BASE.
    let shouted = name.contains('_') && !name.contains(|c: char| c.is_ascii_lowercase());
    if shouted {
        if *last == "key" {
            return !words.iter().any(|w| OPEN_KEYS.contains(w));
        }
        return !ABOUT.contains(last)
            && words
                .iter()
                .any(|w| matches!(*w, "token" | "secret" | "password" | "passwd" | "pass"));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_names_about_them() {
        for name in [
            "password",
            "DB_PASSWORD",
            "dbPassword",
            "PGPASSWORD",
            "K3S_TOKEN",
            "api-key",
            "clientSecret",
            "client_secret",
            "AWS_SECRET_ACCESS_KEY",
            "MYSQL_ROOT_PASSWORD",
            "dbPass",
            "SMTP_PASS",
            "pwd",
            "JWT_SIGNING_KEY",
            "TOKEN_FOR_GIT",
            "client-key-data",
            ".dockerconfigjson",
            "_authToken",
            "password2",
            "x-api-key",
            "_auth",
            "SECRET_KEY_BASE",
            "GITHUB_PAT",
        ] {
            assert!(secret_name(name.trim_start_matches(['.', '-'])), "{name}");
        }
        for name in [
            "secretName",
            "existingSecret",
            "imagePullSecret",
            "tokenExpirationSeconds",
            "key",
            "topologyKey",
            "passed",
            "bypass",
            "secretKeyRef",
            "TOKEN_FILE",
            "SECRET_NAME",
            "SSH_PUBLIC_KEY",
            "secrets",
            "tls-secret",
            "compass",
            "password-policy",
            "client-certificate-data",
            "CACHE_KEY",
            "path",
            "kube-api-access-token-x7k2p",
        ] {
            assert!(!secret_name(name), "{name}");
        }
    }
}
