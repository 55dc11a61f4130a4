use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tollgate::{
    auth::{GroupKind, GroupRecord, KeyPatch, KeyRecord, KeyRing, Keys, KeysError, NewKey, Page},
    core::fact::Terms,
};

use super::problem;
use crate::config::check_terms;

/// Keys, and the groups that they belong to.
#[derive(Clone, Debug)]
pub(crate) struct KeyDesk {
    pub(crate) keys: Keys,
    /// What this gateway goes by.
    pub(crate) ring: KeyRing,
}

impl KeyDesk {
    pub(super) fn router(self) -> Router {
        let mut router = Router::new()
            .route("/keys", get(list).post(create))
            .route("/keys/{id}", get(read).patch(update).delete(delete))
            .route("/keys/{id}/rotate", post(rotate))
            .route("/keys/{id}/disable", post(disable))
            .route("/keys/{id}/enable", post(enable));
        for (name, kind) in [
            ("orgs", GroupKind::Org),
            ("teams", GroupKind::Team),
            ("users", GroupKind::User),
        ] {
            router = router
                .route(
                    &format!("/{name}"),
                    get(move |desk, page| list_groups(kind, desk, page)),
                )
                .route(
                    &format!("/{name}/{{id}}"),
                    get(move |desk, id| read_group(kind, desk, id))
                        .put(move |desk, id, body| put_group(kind, desk, id, body))
                        .delete(move |desk, id| delete_group(kind, desk, id)),
                );
        }
        router.with_state(self)
    }

    /// What was changed holds here before the answer goes out.
    async fn settled(&self, version: u64) {
        let _ = tokio::time::timeout(SETTLES, self.ring.reached(version)).await;
    }

    async fn shown(&self, record: KeyRecord, key: Option<&SecretString>) -> Value {
        self.settled(record.version).await;
        page_of(&record, key)
    }
}

type Desk = State<KeyDesk>;
type Id = Path<String>;
type Asked = Query<HashMap<String, String>>;

async fn create(State(desk): Desk, body: Bytes) -> Result<Response, Problem> {
    let new: NewKey = read_body(&body)?;
    check(&new.terms)?;
    let (record, key) = desk.keys.create(new).await?;
    let page = desk.shown(record, Some(&key)).await;
    Ok((StatusCode::CREATED, axum::Json(page)).into_response())
}

async fn list(State(desk): Desk, Query(asked): Asked) -> Result<axum::Json<Value>, Problem> {
    let records = desk.keys.list(page(&asked)?).await?;
    let pages: Vec<_> = records.iter().map(|record| page_of(record, None)).collect();
    Ok(axum::Json(json!({ "object": "list", "data": pages })))
}

async fn read(State(desk): Desk, Path(id): Id) -> Result<axum::Json<Value>, Problem> {
    let record = desk.keys.get(&id).await?;
    Ok(axum::Json(page_of(&record, None)))
}

async fn update(
    State(desk): Desk,
    Path(id): Id,
    body: Bytes,
) -> Result<axum::Json<Value>, Problem> {
    let patch: KeyPatch = read_body(&body)?;
    patch.terms.as_ref().map_or(Ok(()), check)?;
    let record = desk.keys.update(&id, patch).await?;
    Ok(axum::Json(desk.shown(record, None).await))
}

async fn delete(State(desk): Desk, Path(id): Id) -> Result<StatusCode, Problem> {
    let record = desk.keys.delete(&id).await?;
    desk.settled(record.version).await;
    Ok(StatusCode::NO_CONTENT)
}

/// How a key is to be rotated.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rotation {
    /// How long the old key stays valid.
    #[serde(with = "humantime_serde")]
    grace: Duration,
}

async fn rotate(
    State(desk): Desk,
    Path(id): Id,
    body: Bytes,
) -> Result<axum::Json<Value>, Problem> {
    let rotation: Rotation = read_body(&body)?;
    let (record, key) = desk.keys.rotate(&id, rotation.grace).await?;
    Ok(axum::Json(desk.shown(record, Some(&key)).await))
}

async fn disable(State(desk): Desk, Path(id): Id) -> Result<axum::Json<Value>, Problem> {
    let record = desk.keys.disable(&id).await?;
    Ok(axum::Json(desk.shown(record, None).await))
}

async fn enable(State(desk): Desk, Path(id): Id) -> Result<axum::Json<Value>, Problem> {
    let record = desk.keys.enable(&id).await?;
    Ok(axum::Json(desk.shown(record, None).await))
}

async fn list_groups(
    kind: GroupKind,
    State(desk): Desk,
    Query(asked): Asked,
) -> Result<axum::Json<Value>, Problem> {
    let groups = desk.keys.groups(kind, page(&asked)?).await?;
    Ok(axum::Json(json!({ "object": "list", "data": groups })))
}

async fn read_group(
    kind: GroupKind,
    State(desk): Desk,
    Path(id): Id,
) -> Result<axum::Json<GroupRecord>, Problem> {
    Ok(axum::Json(desk.keys.group(kind, &id).await?))
}

/// Writes a group whole. What the body does not say has its default; kind, id and version are the path's and the store's.
async fn put_group(
    kind: GroupKind,
    State(desk): Desk,
    Path(id): Id,
    body: Bytes,
) -> Result<axum::Json<GroupRecord>, Problem> {
    let mut value: Value = read_body(&body)?;
    let known = match desk.keys.group(kind, &id).await {
        Ok(group) => Some(group),
        Err(KeysError::NotFound) => None,
        Err(error) => return Err(error.into()),
    };
    let fields = value
        .as_object_mut()
        .expect("`read_body` takes objects only");
    if let Some(name) = fields.keys().find(|name| !IN_A_GROUP.contains(&&***name)) {
        return Err(Problem::malformed(&format!("a group has no `{name}`")));
    }
    fields.insert("kind".into(), json!(kind));
    fields.insert("id".into(), json!(id));
    let mut record: GroupRecord =
        serde_json::from_value(value).map_err(|error| Problem::malformed(&error.to_string()))?;
    check(&record.terms)?;
    if let Some(known) = known {
        record.created_at = known.created_at;
        if record.version == 0 {
            record.version = known.version;
        }
    }
    let record = desk.keys.put_group(record).await?;
    desk.settled(record.version).await;
    Ok(axum::Json(record))
}

async fn delete_group(
    kind: GroupKind,
    State(desk): Desk,
    Path(id): Id,
) -> Result<StatusCode, Problem> {
    let mut record = desk.keys.group(kind, &id).await?;
    record.deleted = true;
    let record = desk.keys.put_group(record).await?;
    desk.settled(record.version).await;
    Ok(StatusCode::NO_CONTENT)
}

/// A record for people: without digests, and with the key itself when it is new.
fn page_of(record: &KeyRecord, key: Option<&SecretString>) -> Value {
    let mut page = serde_json::to_value(record).expect("a record is JSON");
    let fields = page.as_object_mut().expect("a record is an object");
    for hidden in ["digest", "previous", "deleted"] {
        fields.remove(hidden);
    }
    if let Some(previous) = &record.previous {
        fields.insert("previous_valid_until".into(), time(previous.valid_until));
    }
    fields.insert("created_at".into(), time(record.created_at));
    if let Some(expires_at) = record.expires_at {
        fields.insert("expires_at".into(), time(expires_at));
    }
    if let Some(key) = key {
        fields.insert("key".into(), key.expose_secret().into());
    }
    page
}

pub(super) fn time(millis: i64) -> Value {
    match Timestamp::from_millisecond(millis) {
        Ok(time) => time.to_string().into(),
        Err(_) => millis.into(),
    }
}

/// Reads a body. Times may be written as in RFC 3339, or in milliseconds since 1970.
pub(super) fn read_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let body = if body.trim_ascii().is_empty() {
        b"{}"
    } else {
        body
    };
    let mut value: Value =
        serde_json::from_slice(body).map_err(|error| Problem::malformed(&error.to_string()))?;
    // Serde would read a list as well, field by field, and an empty one as a key without limits.
    if !value.is_object() {
        return Err(Problem::malformed("the body is not an object"));
    }
    if let Some(expires_at) = value.get_mut("expires_at")
        && let Some(text) = expires_at.as_str()
    {
        let time: Timestamp = text
            .parse()
            .map_err(|_| Problem::malformed("`expires_at` is written as 2027-01-31T00:00:00Z"))?;
        *expires_at = time.as_millisecond().into();
    }
    serde_json::from_value(value).map_err(|error| Problem::malformed(&error.to_string()))
}

/// A term that cannot hold would be found out by callers.
fn check(terms: &Terms) -> Result<(), Problem> {
    check_terms("terms", terms).map_err(|error| Problem::malformed(&error.to_string()))
}

fn page(asked: &HashMap<String, String>) -> Result<Page, Problem> {
    let mut page = Page::first(100);
    for (name, value) in asked {
        let text = || Some(Arc::from(value.as_str()));
        match name.as_str() {
            "after" => page.after = text(),
            "limit" => {
                let limit = value.parse();
                page.limit = limit.map_err(|_| Problem::malformed("`limit` is a number"))?;
            }
            "parent" => page.parent = text(),
            "user" => page.user = text(),
            "team" => page.team = text(),
            "org" => page.org = text(),
            _ => {
                let known = "a list can be asked for by after, limit, parent, user, team and org";
                return Err(Problem::malformed(known));
            }
        }
    }
    Ok(page)
}

/// What an operator is told.
#[derive(Debug)]
pub(super) struct Problem(StatusCode, &'static str, String);

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, why: &str) -> Self {
        Self(status, code, why.into())
    }

    pub(super) fn malformed(why: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", why)
    }
}

impl From<KeysError> for Problem {
    fn from(error: KeysError) -> Self {
        let (status, code) = match &error {
            KeysError::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            KeysError::Conflict => (StatusCode::CONFLICT, "conflict"),
            KeysError::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            KeysError::Refused(_) => (StatusCode::FORBIDDEN, "permission_denied"),
            _ => {
                tracing::warn!(
                    error = crate::chain(&error),
                    "keys cannot be read or written"
                );
                (StatusCode::SERVICE_UNAVAILABLE, "keys_unavailable")
            }
        };
        Self(status, code, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        problem(self.0, self.1, &self.2)
    }
}

/// What is in a group's page, and so can be put back. A word that is not is a mistake, which could lift a limit.
const IN_A_GROUP: [&str; 12] = [
    "kind",
    "id",
    "name",
    "parent",
    "permissions",
    "terms",
    "classification",
    "metadata",
    "created_at",
    "disabled",
    "deleted",
    "version",
];

/// How long an answer waits until this gateway goes by what it says.
const SETTLES: Duration = Duration::from_secs(2);
