"""Questions in many words about the example diagrams, with what an answer must say and what it must not."""

Asked = tuple[str, str, tuple[str, ...], tuple[str, ...]]

_TABLE = """
# What goes out of a part.
bookshop | What does the API Gateway call? | Order service; Stock service; User DB | Web app
bookshop | Which services are called by the API gateway? | Order service; Stock service | Redis
bookshop | Where does the order service write to? | Orders DB | RabbitMQ; Redis
bookshop | Which systems does Order service send messages to? | RabbitMQ | Redis
bookshop | what does the order service publish | RabbitMQ | Redis
bookshop | What comes after the Load Balancer? | API Gateway | Mobile app
bookshop | Where do the clients send their requests? | Load Balancer | Redis
bookshop | What is downstream of RabbitMQ? | Invoice service; Mail sender | Order service
bookshop | What does the Mobile app connect to? | Load Balancer | Redis
bookshop | What does stock service depend on? | Redis | RabbitMQ
bookshop | Which database does the Order service use? | Orders DB | User DB; RabbitMQ
bookshop | Who consumes messages from RabbitMQ? | Invoice service; Mail sender | Order service
bookshop | Where are orders stored? | Orders DB | Redis
website | What does the Search API read from? | Memory Cache; SQL Read Replicas | Write API
website | Where does the Write API store its data? | SQL Primary; Object Store | Memory Cache
website | Where does the CDN get its content from? | Object Store | Memory Cache
website | what does the browser talk to? | DNS; CDN; Reverse proxy | Object Store
website | Which components does the reverse proxy forward requests to? | Search API; Write API | CDN
stream | Where does the stream processor send its results? | Data warehouse; Alert service | Sensors
stream | What happens after Kafka? | Stream processor; Raw bucket | Dashboard
stream | What are the outputs of the batch job? | Data warehouse | Alert service
models | What does batch scoring write? | Prediction table | Label table
models | Where are predictions written to? | Prediction table | Drift monitor
models | What does the approval gate release to? | Online endpoint | Notebook
cluster | What does svc route to? | pod | pvc
cluster | What does pv provide storage to? | pvc | svc
cluster | Where does GitLab push images? | Container registry | svc
# What comes into a part.
bookshop | What feeds RabbitMQ? | Order service | Mail sender
bookshop | Who calls the Stock service? | API Gateway | Redis
bookshop | Which component writes to Redis? | Stock service | Order service
bookshop | What triggers the mail sender? | RabbitMQ | Redis
bookshop | what is the mail sender triggered by? | RabbitMQ | Redis
bookshop | What sends traffic to the load balancer? | Mobile app; Web app | API Gateway
bookshop | Where does the Invoice service get its data from? | RabbitMQ | Redis
bookshop | What comes before the API Gateway? | Load Balancer | Order service
bookshop | Which services use the user database? | API Gateway | Redis
bookshop | Who uses the orders database? | Order service | Redis
bookshop | What depends on Redis? | Stock service | RabbitMQ
stream | What loads data into the data warehouse? | Batch job; Stream processor | Kafka
stream | Which components write into the warehouse? | Batch job; Stream processor | Kafka
stream | Where does the dashboard get its data? | Data warehouse | Kafka
stream | What does the Batch job read? | Raw bucket | Dashboard
stream | What are the inputs of the stream processor? | Kafka | Dashboard
stream | Who produces the telemetry? | Sensors | Dashboard
models | Which components read the feature store? | Training pipeline; Batch scoring; Online endpoint |
models | What does the training pipeline read? | Feature store; Label table | Notebook; Drift monitor
models | Who reads the label table in the lab? | Training pipeline | Drift monitor
models | Which parts of the live environment read from the feature store? | Batch scoring; Online endpoint | Training pipeline
models | What triggers retraining? | Drift monitor; retrain trigger | Feature store
models | What triggers the training pipeline? | Drift monitor | Label table
models | What writes to the prediction table? | Batch scoring | Drift monitor
models | Where does the drift monitor take its data from? | Prediction table; Label table | Feature store
models | Who approves the release? | Approval gate | Notebook
website | Which components write to the object store? | Write API | Search API
website | What reads from the SQL read replicas? | Search API | Write API
website | What points to the CDN? | Browser | Object Store
cluster | Where does the pod pull its image from? | Container registry | GitLab
cluster | What is connected to the container registry? | GitLab; pod | svc
cluster | Which component talks to svc? | ingress | pvc
# From one part to another.
bookshop | How does a request from the web app reach the orders database? | Load Balancer; API Gateway; Order service; Orders DB | Redis
bookshop | How does an order get to the mail sender? | Order service; RabbitMQ; Mail sender | Redis
bookshop | What is the path from the mobile app to Redis? | Load Balancer; API Gateway; Stock service | RabbitMQ
bookshop | How are the API Gateway and RabbitMQ connected? | Order service | Redis
bookshop | What lies between the Load Balancer and the Stock service? | API Gateway | RabbitMQ
stream | How does sensor data end up in the dashboard? | Sensors; Kafka; Data warehouse; Dashboard | Alert service
stream | How does telemetry get into the data warehouse? | Sensors; Kafka; Data warehouse | Alert service
models | How does a model get from the notebook to the online endpoint? | Training pipeline; Model archive; Approval gate | Prediction table
website | How does the browser reach the memory cache? | Reverse proxy; Search API; Memory Cache | CDN
cluster | How do images get from GitLab to the pods? | GitLab; Container registry; pod | ingress
# Yes or no.
bookshop | Is there a load balancer? | yes; Load Balancer |
bookshop | Is there a message queue? | yes; RabbitMQ | Kafka
bookshop | Is Kafka used here? | no | RabbitMQ is Kafka
bookshop | Does this diagram show a CDN? | no | yes
bookshop | Does it use a cache? | yes; Redis |
bookshop | Is there any monitoring? | yes; Prometheus |
bookshop | Are there databases in this architecture? | yes; User DB; Orders DB |
bookshop | Is Kubernetes mentioned? | no | yes
bookshop | Does the Web app talk directly to the Order service? | no |
bookshop | Does the API gateway call the stock service? | yes | no
bookshop | Is Redis part of the data layer? | yes | no
bookshop | Is RabbitMQ in the data layer? | no | yes
stream | Is there a data warehouse? | yes; Data warehouse | no
stream | Is there a load balancer in the picture? | no | yes
stream | Do we have a message broker? | yes; Kafka |
stream | Does Kafka write to the raw bucket? | yes |
website | Is there a message queue? | no | yes
website | Is a firewall shown? | no | yes
website | Does the architecture include a CDN? | yes; CDN | no
models | Is there a feature store? | yes; Feature store | no
models | Is Unity Catalog used? | no | yes
cluster | Is there a service mesh? | no | yes
cluster | Is there version control? | yes; GitLab |
# What is inside what.
bookshop | Which components are in the backend? | API Gateway; Order service; RabbitMQ | Redis; Web app
bookshop | What does the data layer contain? | User DB; Orders DB; Redis | RabbitMQ
bookshop | What is in the Data layer? | User DB; Orders DB; Redis | RabbitMQ
bookshop | Which databases are in the data layer? | User DB; Orders DB | Order service
bookshop | What belongs to the clients? | Mobile app; Web app | Redis
bookshop | List the members of the backend | Order service; Mail sender | Redis
bookshop | What are the parts of the Backend? | Order service; Mail sender | Redis
bookshop | Where is Redis? | Data layer | Backend
bookshop | Which layer is the User DB in? | Data layer | Backend
bookshop | In which container is RabbitMQ? | Backend | Data layer
bookshop | What contains the mail sender? | Backend | Data layer
bookshop | Where does the invoice service run? | Backend | Data layer
stream | What is inside the ingestion box? | Kafka; Schema registry | Sensors
stream | What makes up the processing layer? | Stream processor; Batch job | Kafka
stream | What's in Ingestion? | Kafka; Schema registry | Sensors
models | What happens in the Lab? | Notebook; Training pipeline; Evaluation | Online endpoint
models | Which tables are in the storage? | Label table; Prediction table | Notebook
models | What runs in the live environment? | Batch scoring; Online endpoint; Drift monitor | Notebook
models | Which components belong to the live environment? | Batch scoring; Drift monitor | Notebook
models | What is stored in Storage? | Label table; Prediction table | Notebook
cluster | Which account is GitLab in? | Build account | Namespace
cluster | What is in the build account? | GitLab; Container registry | svc
cluster | What runs in the web namespace? | svc; pod | GitLab
# Steps.
models | What happens in step 4? | register model; Model archive | Online endpoint
models | What is step 2? | Training pipeline | Model archive
models | Explain step 3 | Evaluation | Online endpoint
models | what does number 5 do? | Approval gate | Notebook
models | What happens in step five? | Approval gate | Notebook
models | What is the third step? | Evaluation | Notebook
models | step 5.a? | Batch scoring | Notebook
models | What is the last step? | Drift monitor | Notebook
models | What is the first step? | Notebook | Drift monitor
models | What comes after step 3? | register model | Notebook
models | What happens before step 2? | Notebook | Evaluation
models | Which step is the drift monitor? | 7 | Notebook
models | How many steps are there? | 8 |
models | What happens in step 12? | no | Notebook
models | List all steps in order | Notebook; Evaluation; Drift monitor |
models | Which steps happen in the lab? | Notebook; Evaluation | Drift monitor
bookshop | What happens in step 2? | no | Redis
# Colours, styles, legend.
models | What do the blue arrows mean? | Reads | Writes
models | What does red stand for? | Writes | Reads
models | What does the legend say? | Reads; Writes |
models | Explain the colours of the lines | Reads; Writes | Notebook
models | What is the difference between the blue and the red lines? | Reads; Writes | encrypted
stream | What does the dashed red line mean? | threshold exceeded | archive
stream | What does the red arrow show? | threshold exceeded | archive
website | What does the dashed arrow mean? | replication | Memory Cache
bookshop | What do the green lines mean? | no | Redis
# Attributes, kinds and counts.
website | Which part is optional? | Image resizer | CDN
website | Is anything optional? | Image resizer | CDN
stream | Which job runs nightly? | Batch job | Kafka
bookshop | Which databases are used? | User DB; Orders DB | Web app
bookshop | How many databases are there? | User DB; Orders DB; 2 |
bookshop | How many services are in the backend? | Order service | Redis
bookshop | Which apps are there? | Mobile app; Web app | Redis
cluster | How many pods are there? | 3; pod | svc
models | How many tables does the storage contain? | 3 |
models | Which tables are there? | Label table; Prediction table | Notebook
models | Which environments are shown? | Live environment | Notebook
bookshop | What are the main areas of the diagram? | Clients; Backend; Data layer |
bookshop | Which layers are there? | Data layer |
bookshop | Which components are shown? | Mobile app; Mail sender; Redis |
bookshop | List all components | Mobile app; Mail sender; Redis |
bookshop | Which technologies are used? | RabbitMQ; Redis; Prometheus |
website | Which APIs are there? | Search API; Write API | CDN
# A part by itself, abbreviations, other words, mistakes.
bookshop | What is Redis? | Redis | Kafka
bookshop | Tell me about the Order service | Order service; Orders DB; RabbitMQ | Web app
bookshop | What is the role of the API Gateway? | API Gateway; Load Balancer | Redis
cluster | What is EDA? | EDA | svc
cluster | Is there exploratory data analysis? | yes; EDA |
bookshop | What calls the ordr service? | API Gateway | Redis
bookshop | What calls the orderservice? | API Gateway | Redis
bookshop | Where does the LB send requests? | API Gateway | Redis
bookshop | What does order placed mean? | Order service; RabbitMQ | Redis
cluster | What is pulled from the container registry? | pull image | svc
bookshop | What does Cassandra do? | no | Redis
bookshop | Who feeds Elasticsearch? | no | Redis
# The picture as a whole.
bookshop | explain this architecture | Mobile app; Clients; Backend; Orders DB; Prometheus | Kafka; PostgreSQL
models | Please explain the diagram step by step | Notebook; Step 1; Step 7; Reads | Unity Catalog
models | Can you walk me through this picture? | Notebook; Drift monitor |
stream | Summarise the diagram | Ingestion; Processing layer | RabbitMQ
stream | What is this diagram about? | Ingestion | RabbitMQ
stream | Give me a short overview | Ingestion | RabbitMQ
stream | Where does the data come from? | Sensors | Dashboard
stream | Where does the flow start? | Sensors | Dashboard
stream | Where does the data end up? | Dashboard | Sensors
bookshop | Which component has the most connections? | API Gateway; most | Redis; Mobile app
bookshop | Which component has no arrows? | Prometheus | Redis
bookshop | What is missing? | Prometheus | Kafka
# Found by asking on.
bookshop | What services does the gateway route to? | Order service; Stock service | Web app
bookshop | To which components does RabbitMQ deliver messages? | Invoice service; Mail sender | Order service
bookshop | Which component is responsible for sending mail? | Mail sender | Redis
bookshop | Where does the invoice service receive its messages from? | RabbitMQ | Redis
bookshop | Which queue sits between orders and invoices? | RabbitMQ | Redis
bookshop | What kind of database is used? | DB | Web app
bookshop | Which cache is used by the stock service? | Redis | RabbitMQ
bookshop | What is used for caching? | Redis | RabbitMQ
bookshop | Which clients are there? | Mobile app; Web app | Redis
bookshop | What does the API Gateway verify? | verify token; User DB | Redis
bookshop | Which service handles orders? | Order service | Redis
bookshop | What happens when an order is placed? | RabbitMQ; Order service | Redis
bookshop | What protocol is used between the load balancer and the API gateway? | HTTPS | Redis
bookshop | What is the label on the arrow from the load balancer to the API gateway? | HTTPS | Redis
bookshop | Name the databases | User DB; Orders DB | Web app
bookshop | Which containers are in the diagram? | Clients; Backend; Data layer |
bookshop | What's the relationship between Order service and RabbitMQ? | order placed | Redis
bookshop | If Redis fails, what is affected? | Stock service | RabbitMQ
bookshop | What would break if RabbitMQ went down? | Order service | Redis
bookshop | Which components talk to a database? | Order service; API Gateway | Mail sender
bookshop | Does the mail sender receive anything from RabbitMQ? | yes |
bookshop | Is the web app connected to the load balancer? | yes |
bookshop | Is there any connection between the Mail sender and Redis? | no | yes
bookshop | which component does Prometheus monitor? | no | Redis
bookshop | What's behind the load balancer? | API Gateway | Redis
bookshop | What sits in front of the API gateway? | Load Balancer | Redis
bookshop | Which components does the Backend consist of? | API Gateway; Mail sender | Redis
bookshop | How many components are in the data layer? | 3 | RabbitMQ
bookshop | How many containers are there? | 3 |
bookshop | How many clients are there? | 2 | Redis
bookshop | Is there exactly one load balancer? | yes; Load Balancer |
bookshop | Which message broker is used? | RabbitMQ | Kafka
bookshop | What is the purpose of RabbitMQ? | RabbitMQ | Kafka
bookshop | Can you describe the backend? | Order service; API Gateway |
bookshop | describe the order service | Orders DB | Redis
bookshop | show me what calls what | API Gateway; Order service | Kafka
stream | What is Kafka used for? | Kafka | RabbitMQ
stream | Which storage is used for raw data? | Raw bucket | Dashboard
stream | Where is raw data stored? | Raw bucket | Dashboard
stream | Where does the nightly job write its results? | Data warehouse | Kafka
stream | What consumes from Kafka? | Stream processor | Sensors
stream | Who subscribes to Kafka? | Stream processor | Sensors
stream | Which component raises alerts? | Alert service | Kafka
stream | When are alerts sent? | threshold exceeded | Kafka
stream | What does the dashboard show data from? | Data warehouse | Kafka
stream | What gets archived? | archive; Raw bucket | Dashboard
stream | What data goes from the sensors to Kafka? | telemetry | Dashboard
stream | Which processing is done in batch? | Batch job | Kafka
stream | Is this a batch or a streaming architecture? | Stream processor |
stream | Which components are outside of any container? | Sensors; Dashboard |
stream | What is the final destination of the data? | Dashboard | Sensors
stream | What is the source of the data? | Sensors | Dashboard
stream | How is the data warehouse filled? | Batch job; Stream processor | Sensors
stream | Through which component does data enter the system? | Sensors | Dashboard
models | Where are models registered? | Model archive; register model | Notebook
models | How is a model approved for release? | Approval gate; Online endpoint | Notebook
models | What happens after evaluation? | Model archive | Notebook
models | What happens after step 5? | Batch scoring | Notebook
models | What is done in the first three steps? | Notebook |
models | At which step is the model evaluated? | 3 |
models | What number is the approval gate? | 5 |
models | In which step is monitoring done? | 7 |
models | What starts the retraining? | Drift monitor | Feature store
models | Which tables does the drift monitor read? | Label table; Prediction table | Feature store
models | Who writes the prediction table? | Batch scoring | Feature store
models | What is monitored by the drift monitor? | Prediction table | Feature store
models | Which environment contains the online endpoint? | Live environment | Lab
models | Is the feature store in the lab? | no | yes
models | Which components are in production? | no | Notebook
models | What colour are the read arrows? | blue |
models | Which arrows are red? | Prediction table | Feature store
models | What do dashed lines represent? | register model | Reads
models | How do predictions get into the drift monitor? | Prediction table; Drift monitor | Notebook
website | Which API handles searches? | Search API | CDN
website | What is replicated? | SQL Primary; SQL Read Replicas | CDN
website | Where do the read replicas get their data from? | SQL Primary | CDN
website | Which component resizes images? | Image resizer | CDN
website | Is the image resizer mandatory? | optional |
website | Which data stores are used? | Object Store | Browser
website | Does the Write API use the memory cache? | no | yes
website | Which APIs sit behind the reverse proxy? | Search API; Write API | CDN
website | What proxies requests? | Reverse proxy |
cluster | What gives the pods their secrets? | Key Vault | pvc
cluster | Where do the secrets come from? | Key Vault | pvc
cluster | What is mounted by the pods? | pvc | ingress
cluster | How many pvcs are there? | 2 | ingress
cluster | What provides the persistent volume claims with storage? | pv | ingress
cluster | Which tool builds images? | GitLab |
cluster | How does traffic enter the cluster? | ingress | pvc
cluster | Which registry is used? | Container registry |
cluster | Is there a CI system? | yes; GitLab |
bookshop | Which part of the backend talks to the data layer? | Order service; API Gateway; Stock service | Mail sender
bookshop | Which services access the data layer? | Order service; Stock service | Mail sender
bookshop | What goes into the data layer? | Order service; Stock service | Mail sender
bookshop | What is the entry point of the backend? | API Gateway | Redis
bookshop | To what does the API gateway send the token for verification? | User DB | Redis
bookshop | Which component receives the order placed event? | RabbitMQ | Redis
bookshop | Which component emits the order placed event? | Order service | Redis
bookshop | Name everything that talks to the load balancer | Mobile app; Web app | Redis
bookshop | What is Prometheus connected to? | no | Redis
bookshop | Is Prometheus connected to anything? | no | yes
bookshop | Are the invoice service and the mail sender both fed by RabbitMQ? | yes |
bookshop | Which components are not in any container? | Load Balancer; Prometheus | Redis
bookshop | Where can I find the User DB? | Data layer | Backend
bookshop | Does the data layer include Redis? | yes |
bookshop | Does the backend contain Prometheus? | no | yes
bookshop | What comes directly after the API Gateway? | Order service; Stock service; User DB | Redis
bookshop | What does the HTTPS arrow connect? | Load Balancer; API Gateway | Redis
bookshop | How many arrows leave the API Gateway? | 3 |
bookshop | How many services does the API gateway call? | 2 |
bookshop | What types of clients are supported? | Mobile app; Web app | Redis
bookshop | Which database stores the users? | User DB | Redis
bookshop | Is there a NoSQL database? | no |
bookshop | Is authentication shown? | no |
bookshop | what db does order svc use | Orders DB | Redis
bookshop | RabbitMQ? | RabbitMQ | Kafka
bookshop | order service | Order service; Orders DB | Redis
bookshop | Explain the Order service | Order service; Orders DB | Web app
bookshop | Explain how an order reaches the mail sender | Order service; RabbitMQ; Mail sender | Redis
bookshop | Explain the role of Redis | Redis; Stock service | Mobile app
stream | Trace the flow from sensors to dashboard | Sensors; Kafka; Data warehouse; Dashboard | Alert service
stream | Follow the telemetry | Sensors; Kafka | Alert service
stream | Which components are part of ingestion? | Kafka; Schema registry | Sensors
stream | What are the main components? | Kafka; Data warehouse | RabbitMQ
stream | What is the main data flow? | Sensors; Kafka | RabbitMQ
stream | What happens to the data in the raw bucket? | Batch job | Sensors
stream | What happens with telemetry? | Sensors; Kafka | Dashboard
stream | Which component is fed by both the batch job and the stream processor? | Data warehouse | Sensors
stream | Where do alerts come from? | Stream processor | Sensors
stream | Which technology is used for the queue? | Kafka | RabbitMQ
stream | Is Kafka connected to the dashboard? | no | yes
stream | Is Spark used for stream processing? | no | yes
stream | Does the architecture use Kafka or RabbitMQ? | Kafka |
stream | Why is there a schema registry? | Schema registry |
stream | what's the raw bucket for | Raw bucket; Kafka | Dashboard
stream | Who is the consumer of the data warehouse? | Dashboard | Kafka
stream | What is the input of the data warehouse? | Batch job; Stream processor | Dashboard
stream | What's upstream from the dashboard? | Data warehouse | Sensors
models | Walk me through the steps | Notebook; Evaluation; Drift monitor |
models | Summarize the steps | Notebook; Evaluation; Drift monitor |
models | What are the numbered steps? | Notebook; Evaluation; Drift monitor |
models | What happens at the end? | Drift monitor | Evaluation
models | What happens first? | Notebook | Drift monitor
models | Which step comes after the approval gate? | Batch scoring | Notebook
models | What happens between step 2 and step 4? | Evaluation | Drift monitor
models | Where does the model go after evaluation? | Model archive | Notebook
models | What needs approval? | Approval gate | Notebook
models | Which components use the feature store? | Training pipeline; Batch scoring; Online endpoint | Drift monitor
models | What is used by both training and online serving? | Feature store |
models | Does the drift monitor write to the label table? | no | yes
models | Is the model archive in the live environment? | no | yes
models | Which data does the drift monitor compare? | Prediction table; Label table | Notebook
models | What does a red line mean in this diagram? | Writes | Reads
models | What does blue mean? | Reads | Writes
models | Are dashed lines explained in the legend? | no |
models | What's the legend? | Reads; Writes |
models | Which stages does the diagram have? | Lab; Live environment; Storage |
models | What are the three areas? | Lab; Live environment; Storage |
website | Which component caches data? | Memory Cache | Browser
website | Where are SQL reads served from? | SQL Read Replicas | Browser
website | Which component does the browser ask for names? | DNS | Object Store
website | What is the relation between SQL Primary and SQL Read Replicas? | replication | Browser
website | Which components are stateless? | no |
website | Is there a single point of failure? | no |
cluster | What is in front of svc? | ingress | pvc
cluster | Which objects are in the namespace? | svc; pod | GitLab
cluster | Where do the pods get their images from? | Container registry | pvc
cluster | What does the Key Vault provide? | secrets; pod | pvc
cluster | Is GitLab in the same account as the container registry? | yes; Build account |
cluster | What claims storage from pv? | pvc | GitLab
"""  # noqa: E501 - a table reads by its rows


def _asked(row: str) -> Asked:
    diagram, question, must, must_not = (cell.strip() for cell in row.split("|"))
    return diagram, question, tuple(filter(None, must.split("; "))), tuple(filter(None, must_not.split("; ")))


QUESTIONS = tuple(_asked(row) for row in _TABLE.strip().splitlines() if not row.startswith("#"))
"""(diagram, question, what an answer must say, what it must not)."""
