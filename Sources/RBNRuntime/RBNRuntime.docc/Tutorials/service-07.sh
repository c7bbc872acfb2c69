swift build -c release
.build/release/photo-service efficientnet-lite0.rbn &
curl --data-binary @cat.jpg localhost:8080/classify
kill -TERM $!
