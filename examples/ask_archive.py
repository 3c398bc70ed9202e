"""Three questions to the results of `python -m bulk`, asked in SQL with DuckDB.

    python -m examples.ask_archive results/

The files stay where they are and are read as far as a question needs them, so this works for a billion faces too; for
results in a bucket, DuckDB reads `s3://…` the same way once its extension `httpfs` is loaded.
"""

import argparse

import duckdb

QUESTIONS = {
    "How many photos are there, and what became of them?": """
        SELECT outcome, count(DISTINCT photo) AS photos
        FROM archive GROUP BY outcome ORDER BY photos DESC, outcome
    """,
    "Which emotions do the faces show that can be read reliably?": """
        SELECT emotion, count(*) AS faces, round(100 * count(*) / sum(count(*)) OVER (), 1) AS percent,
               round(avg(confidence), 2) AS confidence
        FROM archive WHERE reliable GROUP BY emotion ORDER BY faces DESC, emotion
    """,
    "In which photos are several people, and all of them happy?": """
        SELECT photo, count(*) AS people, round(min(confidence), 2) AS least_confidence
        FROM archive WHERE face IS NOT NULL
        GROUP BY photo HAVING count(*) > 1 AND bool_and(emotion = 'happy' AND reliable)
        ORDER BY least_confidence DESC, photo LIMIT 10
    """,
}


def ask(results: str) -> dict[str, duckdb.DuckDBPyRelation]:
    """By question, its answer; a relation that prints as a table and gives its rows with `fetchall`."""
    connection = duckdb.connect()
    connection.read_parquet(f"{results.rstrip('/')}/*.parquet").create_view("archive")
    return {question: connection.sql(query) for question, query in QUESTIONS.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", metavar="RESULTS", help="what `python -m bulk` was given as --out")
    for question, answer in ask(parser.parse_args().results).items():
        print(question)
        print(answer)


if __name__ == "__main__":
    main()
