//! The gateway as `async-openai` finds it.

use async_openai::{
    Client,
    config::OpenAIConfig,
    error::OpenAIError,
    types::{
        chat::{
            ChatCompletionRequestUserMessageArgs, CreateChatCompletionRequest,
            CreateChatCompletionRequestArgs,
        },
        embeddings::CreateEmbeddingRequestArgs,
    },
};
use futures_util::StreamExt;
use tollgate_tests::Gateway;

#[tokio::test]
async fn it_chats() {
    let gateway = Gateway::start(None).await;

    let answer = client(&gateway)
        .chat()
        .create(question("sim-small"))
        .await
        .expect("an answer");

    let text = answer.choices[0]
        .message
        .content
        .clone()
        .unwrap_or_default();
    assert!(
        text.starts_with("This is a simulated answer to: hello"),
        "{text}"
    );
    let usage = answer.usage.expect("it says what it used");
    assert_eq!(
        usage.total_tokens,
        usage.prompt_tokens + usage.completion_tokens
    );
}

#[tokio::test]
async fn it_streams() {
    let gateway = Gateway::start(None).await;

    let stream = client(&gateway)
        .chat()
        .create_stream(question("sim-small"))
        .await;
    let chunks: Vec<_> = stream.expect("a stream").collect().await;

    let text: String = chunks
        .into_iter()
        .map(|chunk| chunk.expect("a chunk"))
        .filter_map(|chunk| chunk.choices.first()?.delta.content.clone())
        .collect();
    assert!(
        text.starts_with("This is a simulated answer to: hello"),
        "{text}"
    );
}

#[tokio::test]
async fn it_embeds() {
    let gateway = Gateway::start(None).await;
    let request = CreateEmbeddingRequestArgs::default()
        .model("sim-embed")
        .input(["one", "two"])
        .build();

    let answer = client(&gateway)
        .embeddings()
        .create(request.expect("it is whole"))
        .await
        .expect("an answer");

    assert_eq!(answer.data.len(), 2);
    assert_ne!(answer.data[0].embedding, answer.data[1].embedding);
}

#[tokio::test]
async fn it_lists_models() {
    let gateway = Gateway::start(None).await;

    let models = client(&gateway).models().list().await.expect("a list");

    assert!(
        models.data.iter().any(|model| model.id == "sim-small"),
        "{models:?}"
    );
}

#[tokio::test]
async fn an_unknown_model_is_an_error_that_it_can_read() {
    let gateway = Gateway::start(None).await;

    let error = client(&gateway)
        .chat()
        .create(question("unheard-of"))
        .await
        .expect_err("there is none");

    let OpenAIError::ApiError(error) = error else {
        panic!("{error:?}");
    };
    assert!(
        format!("{error:?}").contains("model_not_found"),
        "{error:?}"
    );
}

fn client(gateway: &Gateway) -> Client<OpenAIConfig> {
    let config = OpenAIConfig::new()
        .with_api_base(format!("{}/v1", gateway.url()))
        .with_api_key(gateway.key());
    Client::with_config(config)
}

fn question(model: &str) -> CreateChatCompletionRequest {
    let message = ChatCompletionRequestUserMessageArgs::default()
        .content("hello")
        .build();
    CreateChatCompletionRequestArgs::default()
        .model(model)
        .messages([message.expect("it is whole").into()])
        .build()
        .expect("it is whole")
}
