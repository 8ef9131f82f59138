//! Secrets (key names only), ConfigMaps and service accounts.

use serde::Deserialize;

use super::meta::Meta;
use super::pod::NameRef;
use crate::cluster::ObjId;
use crate::de;
use crate::selector::Labels;

/// A Secret: its keys, never its values.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Secret {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// Opaque, kubernetes.io/tls and so on.
    #[serde(rename = "type", deserialize_with = "de::text")]
    pub kind: String,
    /// Keys of `data`.
    #[serde(deserialize_with = "de::keys")]
    pub data: Vec<String>,
    /// Keys of `stringData`.
    #[serde(deserialize_with = "de::keys")]
    pub string_data: Vec<String>,
}

/// A ConfigMap.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConfigMap {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// Texts by key.
    #[serde(deserialize_with = "de::text_map")]
    pub data: Labels,
    /// Keys of `binaryData`.
    #[serde(deserialize_with = "de::keys")]
    pub binary_data: Vec<String>,
}

/// A service account.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceAccount {
    /// The object behind this view.
    #[serde(skip)]
    pub obj: ObjId,
    /// Name, labels, owners.
    #[serde(deserialize_with = "de::object")]
    pub metadata: Meta,
    /// Credentials for images.
    #[serde(deserialize_with = "de::list")]
    pub image_pull_secrets: Vec<NameRef>,
    /// Its tokens, where they are Secrets.
    #[serde(deserialize_with = "de::list")]
    pub secrets: Vec<NameRef>,
}

impl Secret {
    /// True when the Secret has this key.
    pub fn has_key(&self, key: &str) -> bool {
        self.data.iter().chain(&self.string_data).any(|k| k == key)
    }
}

impl ConfigMap {
    /// True when the ConfigMap has this key.
    pub fn has_key(&self, key: &str) -> bool {
        self.data.contains_key(key) || self.binary_data.iter().any(|k| k == key)
    }
}
