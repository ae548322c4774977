"""The demo's question bank: what people ask the demo chatbot, politely and otherwise.

Every question is asked of every production version, so that the demo's traffic holds only answers that were really
given. The rude ones are there because real traffic has them, and because toxicity could not be shown without them.
"""

from dataclasses import dataclass
from typing import Literal

Category = Literal["handbook", "out_of_scope", "rude", "language", "emoji"]


@dataclass(frozen=True)
class Question:
    """One question and what kind of question it is."""

    text: str
    category: str


_BY_CATEGORY: dict[Category, str] = {
    "handbook": """
What is Lakehelm?
Who is Lakehelm made for?
What does the name of each environment mean?
How do I start Lakehelm?
what do i need to install before make run
How long does the first start take?
How do I stop Lakehelm again?
Can I run Lakehelm without an internet connection?
The port is already taken. What should I do?
Where does Lakehelm keep its files?
How do I delete the demo workspace and begin again?
What does make demo do?
Which commands does the Makefile have?
How do I change the port of the dashboard?
Where can I see every setting?
How are settings read, and in which order?
Can I put a secret into a file instead of an environment variable?
Which setting changes the toxicity threshold?
How do I limit how much memory DuckDB may use?
How do I make scoring use fewer threads?
What is the gateway?
Which API does the gateway speak?
Is the gateway reachable from other machines?
Where do I find the gateway's token?
How do I ask the endpoint a question with curl?
How does the gateway split traffic between two versions?
What is a served entity?
Why does an endpoint keep an old version warm?
Can I serve a version at zero percent?
What happens when two people update the endpoint at the same time?
Why did I get a 409 RESOURCE_CONFLICT?
What does a failed update change?
How do I see the logs of a model worker?
Why is there one process per served version?
How does a hot swap work?
How much latency does the gateway add?
What does the gateway do when a worker crashes?
Does the gateway support streaming answers?
What is an inference table?
Which columns does the inference table have?
What happens to requests that are larger than one megabyte?
Can a request be lost when the gateway is killed?
What is the spool?
How long until a request shows up in the inference table?
What is the client_request_id for?
Are prompts and answers written to log files?
How can duplicate request ids happen, and what is done about them?
What does the metrics job do?
how often are new requests scored
What happens if the metrics job is killed halfway?
How does the job make sure that no row is scored twice?
Why is the job behind, and how do I see its lag?
What is the scoring budget?
How do I run the metrics job by hand?
What does the option --once do?
Why are some rows unscored?
Where do I find the reason why a row has no score?
What happens to a row that cannot be parsed?
How are missed runs caught up?
What happens to a run that hangs?
What is perplexity?
Is a low perplexity good or bad?
Which model computes the perplexity?
Why does scoring perplexity take so much time?
How is perplexity defined exactly?
Why are only the first 2,048 tokens of a long answer scored?
Can I use another language model for perplexity?
What does prepare do, and when do I need it?
What is the Flesch-Kincaid grade?
How is readability calculated?
What is the difference between the grade and reading ease?
Why is a grade negative?
Why has a German answer no readability grade?
Which library are the readability numbers equal to?
What counts as a sentence for the readability score?
What does toxicity measure?
Which model scores toxicity?
Why does the page say keyword fallback?
Why was a polite sentence flagged as toxic?
How do I get the real detoxify weights?
What share of answers is flagged as toxic?
Is the toxicity of the prompt measured too?
How is the cost of a request computed?
Where do the prices come from?
How do I bring my own price table?
What does unpriced mean?
How are tokens counted?
Are the demo's prices real?
What is a rollup?
Why are there windows of one and of fifteen minutes?
What are the buckets in a rollup for?
How exact is the 95th percentile?
How do late rows get into a chart?
Why does a chart never mix two scorers?
What is a registered model?
What is the difference between test.chatbot and prod.chatbot?
What is an alias?
What does @champion mean?
What does @challenger mean?
Which version is @previous?
Why does Lakehelm not use MLflow stages?
How do I promote a version to production?
What happens during a promotion?
Why does the production model count its versions from one?
Do aliases travel when a version is copied?
How do I train a new version?
Which kinds of chatbot can be trained?
Why is the generative chatbot not in production?
How do I roll back?
how fast is a rollback
Does a rollback lose requests?
Can I roll back more than one version?
What is the ledger?
Who changed the champion alias?
What does the outcome interrupted mean?
Can a row of the ledger be changed or deleted?
What does the overview page show?
What does the health line tell me?
How old is the data on the page?
How do I compare two versions?
What do the pies on the quality page show?
What does the 95% interval mean?
Which statistical test is used to compare versions?
Why does a pie turn into bars?
Can I share a link to a comparison?
What does the jobs page show?
How do I run a job now from the page?
Where can I see rejected rows?
What is drift?
Does Lakehelm detect drift already?
Are there alerts?
How do I compact the tables?
Why should I never vacuum with zero hours?
What happens if the source table was vacuumed too early?
Which Delta features can Lakehelm read?
Can Lakehelm read tables with deletion vectors?
How do I connect Lakehelm to Databricks?
Which permissions does the Databricks token need?
Can I use Unity Catalog?
What stays the same on Databricks?
How do I import my own chat logs?
Which format must the file for import-payload have?
What happens if I import the same file twice?
Is Lakehelm secure?
Who may call the gateway?
Does Lakehelm send my data anywhere?
The dashboard says gateway down. What now?
Why is the first screen empty?
Why are there no new requests on the page?
A worker does not start. How do I find out why?
The demo build failed. What should I do?
How do I back up a workspace?
Where does the chatbot get its answers from?
Which version of the chatbot says that it does not know?
What is a feature table?
How is the handbook turned into passages?
What is BM25?
""",
    "out_of_scope": """
Who won the football world cup in 2014?
What is the capital of Australia?
Write a short poem about autumn.
How do I cook risotto?
What will the weather be tomorrow?
Who is the president of France?
Recommend a good book about sailing.
What is the meaning of life?
How many planets does the solar system have?
Can you book a flight to Lisbon for me?
asdf qwer zxcv
How do I treat a cold?
""",
    "rude": """
Why is this stupid gateway so damn slow?
Your answers are garbage, you useless piece of junk.
What the hell is wrong with this crappy dashboard?
You idiot, just tell me how to roll back!
This bloody metrics job is a complete pile of crap.
Are you dumb or what? I asked about perplexity, moron.
Shut up and show me the damn ledger.
Who was stupid enough to build this shitty spool?
I hate you, you worthless stupid bot.
How do I kill this fucking worker?
Why the fuck does the port say it is taken?
Screw you and your idiotic toxicity score.
You are the dumbest assistant I have ever seen, pathetic loser.
""",
    "language": """
Wie starte ich Lakehelm?
Comment revenir à la version précédente ?
¿Qué es la perplejidad?
Come si calcola il costo di una richiesta?
Wo finde ich die Protokolle der Worker?
Como posso comparar duas versões?
ゲートウェイとは何ですか？
Что такое таблица вывода?
""",
    "emoji": """
How do I roll back?? 😱🔥
thanks, and what is perplexity 🤔
Is the gateway down again? 😭
🚀 how do I promote a version 🚀
What is toxicity? ☠️
👋 hi! what can you do?
""",
}

QUESTIONS: tuple[Question, ...] = tuple(
    Question(text, category) for category, block in _BY_CATEGORY.items() for text in block.strip().splitlines()
)
"""All questions, each different from every other."""
