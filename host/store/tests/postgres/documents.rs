//! Documents, sources, readings and pages.

use docmill_harness::database;
use docmill_model::id::{DocumentId, TenantId};
use docmill_store::Sight;

use crate::sample;

#[tokio::test]
async fn the_same_bytes_twice_are_recognised() -> anyhow::Result<()> {
    let db = database().await?;
    let (first, second) = (sample::run("the same text"), sample::run("the same text"));
    db.store.commit_run(db.tenant, &first.commit()).await?;
    db.store.commit_run(db.tenant, &second.commit()).await?;
    let (original, copy) = (&first.documents[0], &second.documents[0]);

    let found = db
        .store
        .find_source(Sight::whole(db.tenant), original.digest)
        .await?;
    assert_eq!(found, Some((original.document, original.source)));
    let view = db
        .store
        .get_document(Sight::whole(db.tenant), copy.document)
        .await?
        .unwrap();
    assert_eq!(view.sources[0].duplicate_of, Some(original.document));
    // One reading, made by the first run, serves both.
    let [reading] = view.readings.as_slice() else {
        panic!("{:?}", view.readings)
    };
    assert_eq!(reading.id, first.outcome.readings[0].id);
    assert_eq!(reading.pages[0].text, "the same text");
    let run = db
        .store
        .get_run(Sight::whole(db.tenant), second.head.id)
        .await?
        .unwrap();
    assert_eq!(run.readings[0].id, first.outcome.readings[0].id);
    // The bytes are kept once and had from both.
    for document in [original, copy] {
        let source = db
            .store
            .newest_source(Sight::whole(db.tenant), document.document)
            .await?
            .unwrap();
        assert_eq!(source.inline.as_deref(), Some(b"the same text".as_slice()));
        assert_eq!(
            (source.row.id, source.row.digest),
            (document.source, document.digest)
        );
    }

    // Another configuration of the parser makes another reading.
    let mut third = sample::run("the same text");
    third.outcome.readings[0].recipe = docmill_model::digest::Digest::of(b"other");
    db.store.commit_run(db.tenant, &third.commit()).await?;
    let view = db
        .store
        .get_document(Sight::whole(db.tenant), original.document)
        .await?
        .unwrap();
    assert_eq!(view.readings.len(), 2);
    Ok(())
}

#[tokio::test]
async fn the_same_bytes_twice_in_one_run_or_group_are_recognised() -> anyhow::Result<()> {
    let db = database().await?;
    let mut sample = sample::run("twice");
    let other = sample::run("twice");
    sample.documents.extend(other.documents.clone());
    sample.outcome.readings.push(other.outcome.readings[0].clone());
    let mut reading = (*sample.outcome.readings[1].reading).clone();
    reading.key = "second".into();
    sample.outcome.readings[1].reading = std::sync::Arc::new(reading);
    db.store.commit_run(db.tenant, &sample.commit()).await?;
    let view = db
        .store
        .get_document(Sight::whole(db.tenant), other.documents[0].document)
        .await?
        .unwrap();
    assert_eq!(view.sources[0].duplicate_of, Some(sample.documents[0].document));
    let run = db
        .store
        .get_run(Sight::whole(db.tenant), sample.head.id)
        .await?
        .unwrap();
    assert_eq!(run.readings.len(), 2);
    assert_eq!(run.readings[0].id, run.readings[1].id);
    Ok(())
}

#[tokio::test]
async fn a_document_shows_its_pages_and_every_run_over_it() -> anyhow::Result<()> {
    let db = database().await?;
    let first = sample::run("Счёт-фактура № 7");
    db.store.commit_run(db.tenant, &first.commit()).await?;
    // A second run over the document that is there.
    let mut second = sample::run("ignored");
    second.documents.clear();
    second.head.inputs = first.head.inputs.clone();
    second.outcome.readings = first.outcome.readings.clone();
    second.outcome.readings[0].id = docmill_model::id::ReadingId::new();
    db.store.commit_run(db.tenant, &second.commit()).await?;

    let document = &first.documents[0];
    let view = db
        .store
        .get_document(Sight::whole(db.tenant), document.document)
        .await?
        .unwrap();
    assert_eq!(view.name.as_deref(), Some("счёт.txt"));
    let runs: Vec<_> = view.runs.iter().map(|r| r.id).collect();
    assert_eq!(runs, [second.head.id, first.head.id]);
    let source = &view.sources[0];
    assert_eq!(
        (source.size, source.digest, source.duplicate_of),
        (document.size, document.digest, None)
    );
    assert_eq!(source.simhash, document.simhash.map(|h| format!("{h:016x}")));
    let [reading] = view.readings.as_slice() else {
        panic!("{:?}", view.readings)
    };
    assert_eq!(reading.metadata[0], ("title".to_owned(), "Счёт".to_owned()));
    let page = &reading.pages[0];
    assert_eq!(page.text, "Счёт-фактура № 7");
    assert_eq!(page.info, first.outcome.readings[0].reading.pages[0].info);
    assert!(
        db.store
            .get_document(Sight::whole(db.tenant), DocumentId::new())
            .await?
            .is_none()
    );
    assert!(
        db.store
            .get_document(Sight::whole(TenantId::new()), document.document)
            .await?
            .is_none()
    );
    assert!(
        db.store
            .newest_source(Sight::whole(TenantId::new()), document.document)
            .await?
            .is_none()
    );
    Ok(())
}

#[tokio::test]
async fn documents_are_found_by_their_words() -> anyhow::Result<()> {
    let db = database().await?;
    let texts = [
        "Договоры поставки оборудования, Алматы",
        "Invoices were paid in full for delivered goods",
        "Жеке тұлғаның куәлігі 870412300123",
        "Ёлкин Пётр, договор аренды",
    ];
    let samples: Vec<_> = texts.map(sample::run).into();
    for sample in &samples {
        db.store.commit_run(db.tenant, &sample.commit()).await?;
    }
    let find = async |words: &str| -> Vec<usize> {
        let page = db
            .store
            .list_documents(Sight::whole(db.tenant), None, 0, Some(words))
            .await
            .unwrap();
        let place = |id| {
            samples
                .iter()
                .position(|s| s.documents[0].document == id)
                .unwrap()
        };
        page.items.iter().map(|d| place(d.id)).collect()
    };
    assert_eq!(find("договором").await, [3, 0]);
    assert_eq!(
        find("invoice delivery").await,
        [] as [usize; 0],
        "delivered is not delivery"
    );
    assert_eq!(find("good delivering").await, [1]);
    assert_eq!(find("куәлігі").await, [2]);
    assert_eq!(find("870412300123").await, [2]);
    assert_eq!(find("елкин").await, [3]);
    assert_eq!(find("договор -аренда").await, [0]);
    assert_eq!(find("").await, [] as [usize; 0]);
    assert_eq!(find("\0' ; -- & | ! ( \" :*").await, [] as [usize; 0]);
    let page = db
        .store
        .list_documents(Sight::whole(db.tenant), None, 0, Some("алматы"))
        .await?;
    let hit = page.items[0].hit.as_ref().unwrap();
    assert_eq!((hit.page, hit.text.contains("Алматы")), (0, true), "{hit:?}");

    let first = db
        .store
        .list_documents(Sight::whole(db.tenant), None, 3, None)
        .await?;
    assert_eq!(
        (first.items.len(), first.next),
        (3, Some(samples[1].documents[0].document))
    );
    let rest = db
        .store
        .list_documents(Sight::whole(db.tenant), first.next, 3, None)
        .await?;
    assert_eq!((rest.items.len(), rest.next), (1, None));
    assert_eq!(rest.items[0].id, samples[0].documents[0].document);
    Ok(())
}

#[tokio::test]
async fn a_huge_page_of_distinct_words_is_kept() -> anyhow::Result<()> {
    let db = database().await?;
    // 3 MB of words that are all different: more than a tsvector holds.
    let mut text = String::new();
    for n in 0..200_000 {
        text.push_str(&format!("сл{n:x}-во{n:x} "));
    }
    let sample = sample::run(&text);
    db.store.commit_run(db.tenant, &sample.commit()).await?;
    let view = db
        .store
        .get_document(Sight::whole(db.tenant), sample.documents[0].document)
        .await?
        .unwrap();
    assert_eq!(view.readings[0].pages[0].text, text);
    let found = db
        .store
        .list_documents(Sight::whole(db.tenant), None, 0, Some("слff"))
        .await?;
    assert_eq!(found.items.len(), 1);
    Ok(())
}
