# Podlab in one image. It makes nodes, so it must run privileged, on a machine that you can throw away (SECURITY.md):
#
#	docker build -t podlab .
#	docker run --rm --privileged --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup -p 8080:8080 -v podlab:/var/lib/podlab podlab
#
# The build uses the same functions as scripts/run.

FROM debian:12 AS go
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl
ARG GO=1.26.8
RUN curl -fsSL "https://go.dev/dl/go$GO.linux-$(dpkg --print-architecture).tar.gz" | tar -xz -C /usr/local
ENV PATH=/usr/local/go/bin:$PATH

FROM go AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN bash -c '. scripts/prepare.sh; install_packages $PACKAGES; build_programs; make_images /out; install_programs /out'

FROM debian:12
RUN apt-get update && apt-get install -y --no-install-recommends e2fsprogs iproute2 util-linux && rm -rf /var/lib/apt/lists/* \
	&& groupadd --system podlab && useradd --system --gid podlab --no-create-home --shell /usr/sbin/nologin podlab
COPY --from=build /out /usr/share/podlab
COPY scripts/start-in-container /usr/local/bin/podlab-start
EXPOSE 8080
VOLUME /var/lib/podlab
ENTRYPOINT ["podlab-start"]
CMD ["--addr", "0.0.0.0:8080"]
