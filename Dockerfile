# One static binary on nothing but certificates and time zones.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /lethe ./cmd/lethe && mkdir -p /var/lib/lethe

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /lethe /lethe
COPY --from=build --chown=nonroot:nonroot /var/lib/lethe /var/lib/lethe
USER nonroot
VOLUME /var/lib/lethe
EXPOSE 8080
ENV LETHE_CONFIG=/etc/lethe/lethe.yaml
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/lethe", "health"]
ENTRYPOINT ["/lethe"]
CMD ["serve"]
