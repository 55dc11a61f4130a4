use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tollgate::{
    auth::{GroupKind, GroupRecord, KeyPatch, KeyRecord, KeyRing, Keys, KeysError, NewKey, Page},
    core::fact::Terms,
};

use super::{
    page::{read_body, read_object, time},
    problem::Problem,
};
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
    let mut value = read_object(&body)?;
    let known = match desk.keys.group(kind, &id).await {
        Ok(group) => Some(group),
        Err(KeysError::NotFound) => None,
        Err(error) => return Err(error.into()),
    };
    let fields = value.as_object_mut().expect("it was read as an object");
    if let Some(name) = fields.keys().find(|name| !IN_A_GROUP.contains(&&***name)) {
        return Err(Problem::malformed(format!("a group has no `{name}`")));
    }
    fields.insert("kind".into(), json!(kind));
    fields.insert("id".into(), json!(id));
    let mut record: GroupRecord =
        serde_json::from_value(value).map_err(|error| Problem::malformed(error.to_string()))?;
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

/// A term that cannot hold would be found out by callers.
fn check(terms: &Terms) -> Result<(), Problem> {
    check_terms("terms", terms).map_err(|error| Problem::malformed(error.to_string()))
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
